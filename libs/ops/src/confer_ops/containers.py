"""Docker for the tests of the images and of the compose files: an engine, and the public images that they begin with.

Where no registry can be reached, `local-images.sh`, which may lie beside the checkout, makes an engine, and images that
stand in for the public ones.
"""

import shutil
import subprocess
from pathlib import Path

from confer_ops.child import environment
from confer_ops.trouble import Trouble

HAPROXY = "haproxy:3.2-alpine"
IMAGES = ("python:3.13-slim", "nats:2.15-alpine", HAPROXY)
_STAND_INS = Path("..") / "shared" / "docker" / "local-images.sh"
_ANSWERS_WITHIN_S = 60


def missing() -> list[str]:
    """What is not here, for people."""
    if shutil.which("docker") is None:
        return ["Docker"]
    if not _works("version"):
        return ["Docker engine that answers"]
    if not _works("compose", "version"):
        return ["compose plugin of Docker"]
    return [f"image {image}" for image in IMAGES if not _works("image", "inspect", image)]


def install(checkout: Path) -> None:
    """What is missing. Trouble when we may not, or cannot."""
    if not (lacking := missing()):
        return
    script = (checkout / _STAND_INS).resolve()
    print(f"no {', no '.join(lacking)} here", flush=True)
    if script.is_file():
        print(
            f"{script.name} makes an engine and images that stand in for the public ones (a minute or two)", flush=True
        )
        _run([str(script), *IMAGES[:2], f"{HAPROXY}={checkout / 'tests' / 'containers' / 'haproxy'}"])
    elif all(one.startswith("image ") for one in lacking):
        print(f"there is no {_STAND_INS} beside this checkout: pulling from the registry", flush=True)
        for one in lacking:
            _run(["docker", "pull", "--quiet", one.removeprefix("image ")])
    else:
        raise Trouble("Install Docker with its compose plugin: the containers are tested by running them.")


def _works(*words: str) -> bool:
    try:
        command = ["docker", *words]
        done = subprocess.run(command, capture_output=True, check=False, timeout=_ANSWERS_WITHIN_S)  # noqa: S603
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _run(command: list[str]) -> None:
    done = subprocess.run(  # noqa: S603 - our own command
        command, env=environment({}), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode != 0:
        raise Trouble(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}")
