"""Every service has the same shape, every setting is documented, and the import rules hold."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from pydantic import AliasChoices

from confer_contracts.catalogue import SERVICES
from confer_kit.settings import KitSettings

ROOT = Path(__file__).parents[2]
MODULES = {"__init__.py", "__main__.py", "app.py", "settings.py", "handlers.py", "codec.py", "views.py", "py.typed"}
README_LINES_MAX = 70


def variables(model: type[KitSettings]) -> list[str]:
    names: list[str] = []
    for name, field in model.model_fields.items():
        alias = field.validation_alias
        names += map(str, alias.choices) if isinstance(alias, AliasChoices) else [f"CONFER_{name.upper()}"]
    return names


def test_the_services_are_those_of_the_catalogue() -> None:
    assert {path.name for path in ROOT.glob("*-svc")} == {f"{service}-svc" for service in SERVICES}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_the_same_files_as_the_others(service: str) -> None:
    folder = ROOT / f"{service}-svc"
    package = folder / "src" / f"{service}_svc"
    assert {path.name for path in package.iterdir() if path.is_file()} >= MODULES
    assert (folder / "pyproject.toml").is_file()
    aggregates = {path.name for path in (package / "domain").glob("*.py")} - {"__init__.py"}
    assert aggregates
    assert {path.name for path in package.iterdir() if path.is_dir()} - {"__pycache__"} == {"domain"}


@pytest.mark.parametrize("service", SERVICES)
def test_a_services_readme_is_a_page_and_names_its_subjects_and_its_settings(service: str) -> None:
    text = (ROOT / f"{service}-svc" / "README.md").read_text()
    assert len(text.splitlines()) <= README_LINES_MAX
    assert text.startswith(f"# {service}-svc\n")
    assert f"call.{service}." in text
    assert f"log.{service}." in text
    settings = import_module(f"{service}_svc.settings").Settings
    assert not [name for name in set(variables(settings)) - set(variables(KitSettings)) if name not in text]


@pytest.mark.parametrize("package", ["confer_edge", *(f"{service}_svc" for service in SERVICES)])
def test_every_setting_is_in_the_table_and_says_what_it_means(package: str) -> None:
    module = import_module(f"{package}.settings")
    model: type[KitSettings] = getattr(module, "EdgeSettings", None) or module.Settings
    table = (ROOT / "docs" / "settings.md").read_text()
    assert [name for name in variables(model) if f"`{name}`" not in table] == []
    assert [name for name, field in model.model_fields.items() if not field.description] == []


def test_the_import_rules_hold() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
