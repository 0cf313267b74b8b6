"""Settings come from the environment; a wrong one ends the process with a sentence."""

import pytest
from pydantic import AliasChoices, Field

from confer_kit.process import read_settings
from confer_kit.settings import KitSettings


def test_the_environment_is_read_and_the_rest_has_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONFER_NATS_URL", "nats://a:1,nats://b:2")
    monkeypatch.setenv("CONFER_NATS_PASSWORD", "secret")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    monkeypatch.setenv("CONFER_SOMETHING_ELSE", "ignored")
    settings = read_settings(KitSettings)
    assert settings.nats_url == "nats://a:1,nats://b:2"
    assert settings.otlp_endpoint == "http://127.0.0.1:4318"
    assert settings.log_format == "auto"
    assert "secret" not in repr(settings)


def test_every_wrong_variable_is_named_on_a_line_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONFER_DRAIN_S", "-1")
    monkeypatch.setenv("CONFER_IN_FLIGHT_MAX", "many")
    monkeypatch.setenv("CONFER_LOG_FORMAT", "xml")
    with pytest.raises(SystemExit) as ended:
        read_settings(KitSettings)
    lines = str(ended.value).splitlines()
    assert lines[0] == "these settings are wrong:"
    assert [line.split(":")[0].strip() for line in lines[1:]] == [
        "CONFER_LOG_FORMAT", "CONFER_DRAIN_S", "CONFER_IN_FLIGHT_MAX",
    ]  # fmt: skip


class Aliased(KitSettings):
    port: int = Field(1, validation_alias=AliasChoices("CONFER_PORT", "SOCKETIO_PORT"))
    secret: str | None = None
    text: str = "kept"


@pytest.mark.parametrize("variable", ["CONFER_PORT", "SOCKETIO_PORT"])
def test_a_variable_with_two_names_is_told_by_both(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "x")
    with pytest.raises(SystemExit, match="\n  CONFER_PORT or SOCKETIO_PORT: "):
        read_settings(Aliased)


def test_an_empty_variable_is_none_where_none_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("OTEL_EXPORTER_OTLP_ENDPOINT", "CONFER_NATS_PASSWORD", "CONFER_SECRET", "CONFER_TEXT"):
        monkeypatch.setenv(variable, "")
    settings = read_settings(Aliased)
    assert (settings.otlp_endpoint, settings.nats_password, settings.secret) == (None, None, None)
    assert settings.text == ""


def test_the_log_level_is_one_of_four_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONFER_LOG_LEVEL", "Warning")
    assert read_settings(KitSettings).log_level == "Warning"
    monkeypatch.setenv("CONFER_LOG_LEVEL", "loud")
    with pytest.raises(SystemExit, match="CONFER_LOG_LEVEL: "):
        read_settings(KitSettings)
