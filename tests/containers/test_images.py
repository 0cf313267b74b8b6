"""What is in the images: one deployable each, what it needs of the lock, and nothing to make or change things with."""

import asyncio
import json
import re
import shutil
import tomllib
from collections.abc import AsyncIterator, Iterator
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from confer_kit.testing.command import printed
from confer_kit.testing.containers import BUILT_AND_UP_WITHIN_S, Compose

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.docker, pytest.mark.timeout(1800)]

ROOT = Path(__file__).parents[2]
IMAGES = {
    "edge": "confer-edge", "presence-svc": "presence-svc", "sync-svc": "sync-svc", "queue-svc": "queue-svc",
    "notify-svc": "notify-svc", "ops": "confer-ops",
}  # fmt: skip
FOLDERS = {
    **{package: image for image, package in IMAGES.items()},
    "confer-ops": "libs/ops", "confer-contracts": "libs/contracts", "confer-kit": "libs/kit",
}  # fmt: skip
BYTES_MAX = 120_000_000  # above Python itself
LABEL = "org.opencontainers.image"
LOOK = """
import glob, importlib.metadata, json, os, shutil, sys
ours = [path for path in sys.path if path.startswith("/opt/")]
packages = {found.name: found.version for found in importlib.metadata.distributions(path=ours)}
tools = [name for name in ("cc", "gcc", "g++", "clang", "make", "git", "node", "curl") if shutil.which(name)]
left = "/src*", "/wheels*", "/own*", "/root/.cache/*", "/opt/venv/bin/pip*"
remains = [path for pattern in left for path in glob.glob(pattern)]
writable = [place for place in ("/", "/opt/venv", "/tmp", os.getcwd()) if os.access(place, os.W_OK)]
python = "%d.%d" % sys.version_info[:2]
found = {"python": python, "packages": packages, "tools": tools, "remains": remains, "writable": writable}
print(json.dumps({**found, "user": os.getuid()}))
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def built() -> AsyncIterator[Compose]:
    made = Compose(ROOT, "images", [ROOT / "docker-compose.yml"], {})
    await made.build()
    yield made
    made.close()


def needed(package: str, python: str, extras: frozenset[str] = frozenset()) -> Iterator[str]:
    """A package and all that it needs there."""
    yield canonicalize_name(package)
    for line in requirements(package):
        wanted = Requirement(line)
        places = [{"python_version": python, "extra": extra} for extra in extras | {""}]
        if wanted.marker is None or any(wanted.marker.evaluate(place) for place in places):
            yield from needed(wanted.name, python, frozenset(wanted.extras))


def requirements(package: str) -> list[str]:
    if package not in FOLDERS:
        return requires(package) or []
    project = tomllib.loads((ROOT / FOLDERS[package] / "pyproject.toml").read_text())["project"]
    return list(project["dependencies"])


def locked() -> dict[str, str]:
    pairs = re.findall(r"^([a-z0-9._-]+)==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in pairs}


@pytest.mark.parametrize("image", IMAGES)
async def test_an_image_is_one_deployable_and_what_it_needs_of_the_lock(built: Compose, image: str) -> None:
    found: dict[str, Any] = json.loads(await built.look(image, LOOK))
    packages = {canonicalize_name(name): version for name, version in found["packages"].items()}
    assert packages.keys() & FOLDERS.keys() == {IMAGES[image], "confer-contracts", "confer-kit"}
    assert packages.keys() == set(needed(IMAGES[image], found["python"]))
    assert packages.items() - {(name, packages[name]) for name in packages.keys() & FOLDERS.keys()} <= locked().items()
    assert (found["tools"], found["remains"], found["writable"], found["user"]) == ([], [], [], 65534)


@pytest.mark.parametrize("image", IMAGES)
async def test_an_image_is_small_and_says_what_it_is(built: Compose, image: str) -> None:
    python, attributes = await built.image("python:3.13-slim"), await built.image(image)
    assert attributes["Size"] - python["Size"] < BYTES_MAX
    labels, config = attributes["Config"]["Labels"], attributes["Config"]
    assert (labels[f"{LABEL}.version"], labels[f"{LABEL}.revision"]) == (built.version, "tested")
    assert labels[f"{LABEL}.licenses"] == "MIT"
    assert config["User"] == "65534:65534"
    assert config["Healthcheck"]["Test"] == ["CMD", "confer-health"]


@pytest.mark.parametrize("image", IMAGES)
async def test_an_image_needs_nothing_but_its_folder_the_libraries_and_the_lock(
    built: Compose, image: str, tmp_path: Path
) -> None:
    folder = FOLDERS[IMAGES[image]]
    for needed_folder in {"libs/contracts", "libs/kit", folder}:
        shutil.copytree(ROOT / needed_folder, tmp_path / needed_folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "requirements.lock", tmp_path)
    recipe, tag = ROOT / "deploy" / "service.Dockerfile", f"confer/{image}:{built.version}-alone"
    words = "--build-arg", f"SERVICE={folder}", "--file", str(recipe), "--tag", tag, str(tmp_path)
    await printed("docker", "build", "--quiet", *words, within_s=BUILT_AND_UP_WITHIN_S, cwd=tmp_path)
    assert await built.look(tag, LOOK) == await built.look(image, LOOK)


async def test_what_images_share_is_one_layer(built: Compose) -> None:
    base = len((await built.image("python:3.13-slim"))["RootFS"]["Layers"])
    all_layers = await asyncio.gather(*(built.image(image) for image in IMAGES))
    assert len({image["RootFS"]["Layers"][base] for image in all_layers}) == 1
