"""Settings come from the environment; a wrong one ends the process with a sentence."""

import pytest

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
