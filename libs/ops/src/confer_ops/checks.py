"""`./run check` and `./run test`: `python -m confer_ops.checks check | test [--all] [pytest arguments]`."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from confer_ops import balancers, browser, containers, node, prometheus
from confer_ops.checkout import root
from confer_ops.child import environment
from confer_ops.demo import Demo
from confer_ops.trouble import Trouble

SKIP_NOTHING = "CONFER_TEST_ALL"  # read by tests/conftest.py: a skipped test is then a failed one
SOME_FAILED = 1  # pytest's exit code for that
SECOND_CHANCES = 10
_BIN = Path(sys.executable).parent
_PYTEST = [sys.executable, "-m", "pytest"]
_TYPED = ("libs/contracts/src", "libs/kit/src", "libs/ops", "edge/src", *sorted(
    f"{path.name}/src" for path in root().glob("*-svc")
), "bench", "tests")  # fmt: skip


@dataclass(frozen=True)
class Check:
    name: str
    command: Sequence[str]


LINT = (
    Check("format", [str(_BIN / "ruff"), "format", "--check", "--quiet", "."]),
    Check("lint", [str(_BIN / "ruff"), "check", "--quiet", "."]),
    Check("types", [sys.executable, "-m", "mypy", *_TYPED]),
    Check("imports", [str(_BIN / "lint-imports")]),
)


def fast_tests(checkout: Path) -> Check:
    folders = [f"tests/{name}" for name in ("unit", "contract") if (checkout / "tests" / name).is_dir()]
    return Check("unit and contract tests", [*_PYTEST, "-q", "-m", "not node", *folders])


def check(checkout: Path, checks: Sequence[Check]) -> list[str]:
    """Run them one by one, a line each; the names of those that failed."""
    failed: list[str] = []
    for one in checks:
        began = time.monotonic()
        done = subprocess.run(  # noqa: S603 - our own command
            one.command, cwd=checkout, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        good = done.returncode == 0
        print(f"{'ok    ' if good else 'FAILED'} {time.monotonic() - began:6.1f} s  {one.name}", flush=True)
        if not good:
            print(done.stdout.rstrip(), flush=True)
            failed.append(one.name)
    return failed


def test(checkout: Path, arguments: Sequence[str], *, everything: bool) -> int:
    """All checks and tests, or only what pytest's arguments name; the exit code."""
    failed = [] if arguments else check(checkout, LINT)
    tools, left_out = _tools(checkout, everything=everything)
    for marker, reason in left_out.items():
        print(f"left out: tests marked `{marker}` ({reason}); `./run test --all` leaves nothing out", flush=True)
    path = environment({}).get("PATH", "")
    env = environment({"PATH": f"{tools}:{path}" if tools else path, SKIP_NOTHING: "1" if everything else ""})
    only = ["-m", " and ".join(f"not {marker}" for marker in left_out)] if left_out else []
    command = [*_PYTEST, "-n", "2", "--dist", "loadfile", *only, *arguments]
    code = subprocess.run(command, cwd=checkout, env=env, check=False).returncode  # noqa: S603 - our own command
    if code == SOME_FAILED and everything:
        code = again_alone(checkout, env)
    if failed:
        print(f"FAILED before the tests: {', '.join(failed)}", flush=True)
    return code or (1 if failed else 0)


def again_alone(checkout: Path, env: Mapping[str, str]) -> int:
    """Those that failed run once more, with nobody beside them. Whoever passes now depends on the machine's load: that
    is said, as it is a defect of the test or of what it tests, but it does not hold up everybody else's work. More
    than SECOND_CHANCES failures have one cause, and it is not the load."""
    failed = sorted(json.loads((checkout / ".pytest_cache/v/cache/lastfailed").read_text()))
    if len(failed) > SECOND_CHANCES:
        return SOME_FAILED
    print("once more, alone:", *failed, sep="\n  ", flush=True)
    code = subprocess.run([*_PYTEST, "-q", *failed], cwd=checkout, env=env, check=False).returncode  # noqa: S603
    if code == 0:
        print("FLAKY: failed beside others and passed alone; find out why:", *failed, sep="\n  ", flush=True)
    return code


def _tools(checkout: Path, *, everything: bool) -> tuple[Path | None, dict[str, str]]:
    """Where Node is, with all that tests need installed; and which markers are left out, why."""
    tools = node.find_or_install(checkout) if everything else node.find(checkout)
    chromium = browser.find_or_install() if everything else browser.find()
    if everything:
        balancers.install()
        prometheus.install()
        containers.install(checkout)
    left_out: dict[str, str] = {}
    if missing := balancers.missing():
        left_out["proxy"] = f"no {' and no '.join(missing)} here"
    if missing := prometheus.missing():
        left_out["prometheus"] = f"no {' and no '.join(missing)} here"
    if missing := containers.missing():
        left_out["docker"] = f"no {' and no '.join(missing)} here"
    if tools is None:
        left_out["node"] = f"no Node {node.WANTED} here"
    else:
        for package in sorted((checkout / "tests").glob("*/*/package-lock.json")):
            print(f"installing the packages of {package.parent.relative_to(checkout)}", flush=True)
            node.npm_ci(tools, package.parent)
    if chromium is None:
        left_out["browser"] = "no Chromium here"
    elif tools is None:
        left_out["browser"] = "the demo portal cannot be built without Node"
    else:
        portal = Demo(checkout)
        if portal.exists and not portal.current:
            portal.build()
    return tools, left_out


def main() -> None:
    verb, *arguments = sys.argv[1:]
    checkout = root()
    try:
        if verb == "check":
            code = 1 if check(checkout, (*LINT, fast_tests(checkout))) else 0
        else:
            rest = [a for a in arguments if a != "--all"]
            code = test(checkout, rest, everything="--all" in arguments)
    except Trouble as trouble:
        sys.exit(f"run: {trouble}")
    except subprocess.CalledProcessError as failure:
        sys.exit(f"run: {failure}")
    sys.exit(code)


if __name__ == "__main__":
    main()
