"""The compose files and .env.example: every setting of the one is in the other, and what processes are told exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "docker-compose.yml", *sorted((ROOT / "deploy" / "compose").glob("*.yml"))]
EXAMPLE = (ROOT / ".env.example").read_text()
HANDED_ON = re.compile(r"^ +([A-Z][A-Z0-9_]+):$", re.MULTILINE)  # without a value: that of .env
INTERPOLATED = re.compile(r"\$\{([A-Z0-9_]+)")
DEFAULTS = re.compile(r"\$\{([A-Z0-9_]+):-([^${}]+)\}")
SET = re.compile(r"^ +(CONFER_[A-Z0-9_]+):|{ (CONFER_[A-Z0-9_]+):", re.MULTILINE)
WRITTEN = re.compile(r"^(?:# )?([A-Z][A-Z0-9_]+)=(.*)$", re.MULTILINE)
MOUNTED = re.compile(r"[ \"]\./([\w./-]+):/")
COMPOSES_OWN = {"COMPOSE_FILE"}
OTHERWISE_WITH_FRONT = {"CONFER_TRUSTED_PROXIES", "CONFER_IDENTITY"}
SOURCES = re.compile(r"^COPY (?!--from)(.+) \S+$", re.MULTILINE)


def everything() -> str:
    return "\n".join(path.read_text() for path in FILES)


def test_every_variable_of_the_compose_files_is_explained_and_no_other_is() -> None:
    text = everything()
    used = {*INTERPOLATED.findall(text), *HANDED_ON.findall(text)}
    assert {name for name, _ in WRITTEN.findall(EXAMPLE)} - COMPOSES_OWN == used


def test_the_example_shows_the_defaults() -> None:
    shown = dict(WRITTEN.findall(EXAMPLE))
    for name, default in DEFAULTS.findall(everything()):
        if default != "/dev/null" and name not in OTHERWISE_WITH_FRONT:  # /dev/null: no secret
            assert shown[name] == default, name


def test_what_a_process_is_told_is_a_setting_of_it() -> None:
    known = (ROOT / "docs" / "settings.md").read_text() + (
        ROOT / "libs/ops/src/confer_ops/nats_monitoring.py"
    ).read_text()
    known += (ROOT / "libs/ops/src/confer_ops/cli.py").read_text()
    told = {a or b for a, b in SET.findall(everything())}
    assert len(told) > 15
    assert {name for name in told if name not in known and name.removeprefix("CONFER_").lower() not in known} == set()


@pytest.mark.parametrize("profile", re.findall(r"^#? ?COMPOSE_FILE=(.+)$", EXAMPLE, re.MULTILINE))
def test_a_profile_is_made_of_files_that_are_there(profile: str) -> None:
    assert set(profile.split(":")) <= {str(path.relative_to(ROOT)) for path in FILES}


def test_what_is_mounted_is_there() -> None:
    mounted = MOUNTED.findall(everything())
    assert len(mounted) > 8
    assert [name for name in mounted if not (ROOT / name).exists()] == []


def test_an_image_is_made_of_its_folder_the_libraries_and_the_lock() -> None:
    recipe = (ROOT / "deploy" / "service.Dockerfile").read_text()
    assert set(SOURCES.findall(recipe)) == {"requirements.lock", "libs/contracts", "libs/kit", "${SERVICE}"}
