"""What `./run` does before there is anything installed: a virtual environment, then the command in it.

Standard library only; runs on the machine's own Python. Safe to interrupt: what was done is marked only when it is
complete, and the next start repairs the rest.
"""
# ruff: noqa: S603 - every command here is our own

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMPS = VENV / "confer-installed"
HALF_DONE = VENV / "confer-half-done"  # there while pip unpacks: what it leaves when interrupted looks complete to it
MEMBERS = ("libs/contracts", "libs/kit", "libs/ops", "edge", *sorted(path.name for path in ROOT.glob("*-svc")))
RUNTIME, DEVELOPMENT, NODE = "requirements.lock", "requirements-dev.lock", "requirements-node.lock"

# with a --help of their own
OPERATING = (
    "access", "activity", "doctor", "drain", "fact", "form", "new-service", "notify", "provision", "queue", "rules",
    "status", "tail", "token",
)  # fmt: skip
COMMANDS = (*OPERATING, "bench", "chaos")

HELP = """\
usage: ./run [options]             set up what is missing, start everything, show where to click; Ctrl-C stops it
       ./run test [--all] [args]   every check and test that this machine can run; args go to pytest
       ./run check                 the fast part: format, lint, types, import rules, unit and contract tests
       ./run chaos [options]       break everything for minutes, and compare what every client saw with the log
       ./run provision [options]   make the streams on a NATS server (--nats-url, --replicas)
       ./run bench edge [options]  measure the edge beside other servers, write docs/bench/ (Linux, needs cc and Node)
       ./run bench services        measure a field update beside a bare publish to JetStream (Linux, needs cc)
       ./run bench traces          measure what tracing costs a field update
       ./run status [options]      every process: version, age, calls, lag; and what is missing
       ./run doctor [options]      looks at everything, and says what is wrong and what to do
       ./run tail [AUDIENCE]       follow the facts of a room, a queue, a user (`./run tail --help`)
       ./run fact STREAM SEQ       one fact as its stream holds it, and whether a service wrote it
       ./run drain EDGE | --all    edges send their clients to the others, and start again
       ./run token --user ID       a token for tests, signed with CONFER_JWT_SECRET
       ./run access COMMAND        revoke, restore, kick or list users and sessions (`./run access --help`)
       ./run activity [options]    who did what when, in a record or by a person (`./run activity --help`)
       ./run form COMMAND          register or show the forms of records (`./run form --help`)
       ./run notify COMMAND        tell people something, now or later (`./run notify --help`)
       ./run rules COMMAND         check a file of rules about facts (`./run rules --help`)
       ./run queue COMMAND         who waits, how it goes, what happened to a ticket (`./run queue --help`)
       ./run new-service NAME      begin a service of your own (docs/new-service.md)
       ./run lock                  make the lock files anew

options of ./run:
  --port N           where the edge listens (9014)
  --data DIR         where data is kept (.confer in this directory)
  --fresh [--yes]    delete the data first; --yes: without asking
  --no-demo          do not build and serve the demo portal
  --nats-port N      where NATS listens (4222, or the next free port)
  --metrics-port N   where metrics begin, a port per process; those in use are passed over (9101); 0: none
  --watch-port N     where the page of traces and numbers is (9100, or the next free port); 0: none
  --activity-days N  how long the activity log is kept (as it is; 90 at first)
  --audit-days N     how long reads and refusals are (as it is; 90 at first)
  --identity MODE    trusted-query (believes what clients say; the default here) or jwt

options of ./run test:
  --all              skip nothing: installs Node and (as root on Debian) Chromium, HAProxy, nginx, Prometheus and
                     Docker, and fails where that is impossible
"""


class Trouble(Exception):  # noqa: N818 - one sentence for the person at the keyboard
    pass


def main(arguments: list[str]) -> None:
    verb = arguments[0] if arguments and not arguments[0].startswith("-") else "up"
    rest = arguments[1:] if arguments and verb == arguments[0] else arguments
    if ("--help" in arguments or "-h" in arguments) and verb not in COMMANDS:
        print(HELP, end="")
        return
    match verb:
        case _ if verb == "up" or verb in OPERATING:
            install(RUNTIME)
            become([str(VENV / "bin" / "confer"), verb, *rest])
        case "chaos":
            install(DEVELOPMENT)
            become([str(PYTHON), "-m", "confer_ops.chaos", *rest])
        case "test" | "check":
            install(DEVELOPMENT)
            become([str(PYTHON), "-m", "confer_ops.checks", verb, *rest])
        case "bench":
            install(RUNTIME)
            os.chdir(ROOT)
            become([str(PYTHON), "-m", "bench", *rest])
        case "lock":
            lock()
        case _:
            raise Trouble(f"there is no `./run {verb}`; `./run --help` lists what there is")


def become(command: list[str]) -> None:
    sys.stdout.flush()
    os.execv(command[0], command)  # noqa: S606 - the same process, so that signals reach it


# --- installing ---------------------------------------------------------------------------------------


def install(lock_name: str) -> None:
    """The virtual environment with everything that the lock names, and the members of this checkout."""
    wanted = _fingerprint(lock_name)
    if _installed(lock_name) == wanted and _works():
        return
    with _alone():
        if _installed(lock_name) == wanted and _works():  # somebody else did it while we waited
            return
        _make_venv()
        _pip_locked(ROOT / lock_name)
        say("installing Confer's own packages")
        path = f"{VENV / 'bin'}:{os.environ.get('PATH', os.defpath)}"  # noqa: TID251 - handed on
        editable = [part for member in MEMBERS for part in ("-e", str(ROOT / member))]
        _pip("install", "--quiet", "--no-index", "--no-build-isolation", "--no-deps", *editable, path=path)
        STAMPS.mkdir(exist_ok=True)
        (STAMPS / "root").write_text(str(ROOT))
        for name in (lock_name, RUNTIME):  # the development lock contains the other one
            (STAMPS / name).write_text(_fingerprint(name))


def _fingerprint(lock_name: str) -> str:
    """What an installation depends on: the lock, the members' own files, and where they are."""
    digest = hashlib.sha256(str(ROOT).encode())
    for path in (ROOT / lock_name, *(ROOT / member / "pyproject.toml" for member in MEMBERS)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _installed(lock_name: str) -> str | None:
    with contextlib.suppress(OSError):
        return (STAMPS / lock_name).read_text()
    return None


def _works(check: str = "import sys; sys.exit(sys.version_info < (3, 11))") -> bool:
    try:
        return subprocess.run([PYTHON, "-c", check], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """One installation at a time in this checkout. pip inherits the lock: it may outlive us when we are killed."""
    with (ROOT / "libs" / "ops" / "bootstrap.py").open() as held:
        os.set_inheritable(held.fileno(), True)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another ./run is installing; waiting for it")
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _make_venv() -> None:
    moved = _installed("root") not in (None, str(ROOT))  # its scripts name the old place
    if not moved and not HALF_DONE.exists() and _works("import pip._internal.cli.main"):
        return
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    try:
        import ensurepip  # noqa: F401, PLC0415 - Debian packages it apart
        import venv  # noqa: PLC0415
    except ImportError:
        raise Trouble(
            f"this Python {version} has no venv module; on Debian and Ubuntu: apt-get install python{version}-venv"
        ) from None
    say(f"making .venv with Python {version}" + (" (repairing it)" if VENV.exists() else ""))
    if VENV.is_symlink() or (VENV.exists() and not VENV.is_dir()):
        raise Trouble(f"{VENV} is in the way: it is not a directory of ours")
    shutil.rmtree(VENV, ignore_errors=True)
    try:
        venv.create(VENV, with_pip=True)
    except PermissionError:
        raise Trouble(f"you may not write in {ROOT}: clone the repository to where you may, and run it there") from None
    except (subprocess.CalledProcessError, OSError) as error:
        raise Trouble(f"Python could not make {VENV}: {error}") from None


def _pip_locked(lock_file: Path) -> None:
    """Install what the lock names, showing how far it is."""
    total = len(re.findall(r"^[A-Za-z0-9]", lock_file.read_text(), re.MULTILINE))
    command = ["install", "--require-hashes", "--no-deps", "--progress-bar", "off", "-r", str(lock_file)]
    progress = Progress(f"installing {lock_file.name}", total)

    def saw(line: str) -> None:
        if line.startswith("Installing collected packages"):
            HALF_DONE.touch()
        progress.saw(line)

    _pip(*command, each_line=saw)
    HALF_DONE.unlink(missing_ok=True)
    progress.done()


class Progress:
    """Counts pip's lines: one line rewritten on a terminal, one in a while elsewhere."""

    def __init__(self, what: str, total: int) -> None:
        self._what, self._total, self._seen, self._began = what, total, 0, time.monotonic()
        self._shown = 0.0

    def saw(self, line: str) -> None:
        match = re.match(r"(?:Collecting|Requirement already satisfied:) (\S+)", line)
        if match:
            self._seen += 1
            self._show(f"{self._seen} of {self._total}: {match[1]}")
        elif line.startswith("Installing collected packages"):
            self._show("all are here, unpacking them", always=True)

    def _show(self, text: str, *, always: bool = False) -> None:
        now = time.monotonic()
        if sys.stdout.isatty():
            print(f"\r\x1b[K{self._what}: {text}", end="", flush=True)
        elif always or now - self._shown > 3:
            say(f"{self._what}: {text}")
            self._shown = now

    def done(self) -> None:
        start = "\r\x1b[K" if sys.stdout.isatty() else ""
        print(f"{start}{self._what}: done in {time.monotonic() - self._began:.0f} s", flush=True)


def _pip(*arguments: str, path: str | None = None, each_line: object = None) -> None:
    """Run the environment's pip; Trouble with its last lines when it fails."""
    env = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}  # noqa: TID251 - handed on
    env.pop("PYTHONPATH", None)
    env.pop("PYTHONHOME", None)
    if path:
        env["PATH"] = path
    last: list[str] = []
    cut_off = False
    with subprocess.Popen(
        [PYTHON, "-m", "pip", *arguments],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        close_fds=False,
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                last = [*last[-14:], line.rstrip()]
                cut_off = cut_off or "Failed to establish a new connection" in line
                if callable(each_line):
                    each_line(line)
        except BaseException:
            process.terminate()
            raise
    if process.returncode != 0:
        hint = "no way to the package index: is there a network?" if cut_off else ""
        raise Trouble("\n  ".join(["pip could not install the packages:", *last, *filter(None, [hint])]))


# --- lock files ---------------------------------------------------------------------------------------


def lock() -> None:
    """Resolve the members' dependencies anew. No URL and no host gets into the files."""
    with tempfile.TemporaryDirectory(prefix="confer-lock-") as folder:
        home = Path(folder)
        say("installing uv for this once")
        subprocess.run([sys.executable, "-m", "venv", home / "venv"], check=True)
        subprocess.run([home / "venv" / "bin" / "pip", "install", "--quiet", "uv"], check=True)
        runtime, development, node = _inputs()
        _compile(home, runtime, RUNTIME)
        _compile(home, runtime + development, DEVELOPMENT, "-c", str(ROOT / RUNTIME))
        _compile(home, node, NODE)


def _inputs() -> tuple[list[str], list[str], list[str]]:
    """External dependencies: of everything that runs, for development, and Node."""
    import tomllib  # noqa: PLC0415 - for this verb only

    projects = [tomllib.loads((ROOT / m / "pyproject.toml").read_text()) for m in (".", *MEMBERS)]
    own = {project["project"]["name"] for project in projects}
    named = {d for project in projects for d in project["project"]["dependencies"] if d not in own}
    groups = projects[0]["dependency-groups"]
    return sorted(named), list(groups["dev"]), list(groups["node"])


def _compile(home: Path, wanted: list[str], lock_name: str, *more: str) -> None:
    say(f"resolving {lock_name}")
    source = home / lock_name.replace(".lock", ".in")
    source.write_text("\n".join(wanted) + "\n")
    options = ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-header", "--no-annotate"]
    uv = str(home / "venv" / "bin" / "uv")
    command = [uv, "pip", "compile", "--quiet", *options, *more, str(source), "-o", str(home / lock_name)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    text = (home / lock_name).read_text()
    if "://" in text or "--index" in text:
        raise Trouble(f"the new {lock_name} names an address; it was not kept")
    (ROOT / lock_name).write_text(text)


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Trouble as trouble:
        sys.exit(f"run: {trouble}")
    except subprocess.CalledProcessError as failed:
        sys.exit(f"run: {failed}")
    except KeyboardInterrupt:
        print("\ninterrupted; ./run goes on where this stopped", file=sys.stderr)
        sys.exit(130)
