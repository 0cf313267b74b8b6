"""Settings come from the environment; a wrong one ends the process with a sentence."""

from pathlib import Path

import pytest
from pydantic import AliasChoices, Field

from confer_kit.process import read_settings
from confer_kit.settings import SECRET_CHARS_MAX, KitSettings


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


def test_traces_go_nowhere_where_they_are_switched_off_or_asked_for_in_a_form_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    for told, to in (("", "http://127.0.0.1:4318"), ("false", "http://127.0.0.1:4318"), ("true", None)):
        monkeypatch.setenv("OTEL_SDK_DISABLED", told)
        assert read_settings(KitSettings).traces_to == to
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    with pytest.raises(SystemExit, match="OTEL_EXPORTER_OTLP_PROTOCOL"):
        read_settings(KitSettings)


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


PASSWORD = "CONFER_NATS_PASSWORD"


def test_a_secret_may_be_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "password"
    monkeypatch.setenv(f"{PASSWORD}_FILE", str(file))
    for written, read in (("hunter 2\n", "hunter 2"), (" a b \r\n", " a b ")):
        file.write_text(written)
        settings = read_settings(KitSettings)
        assert settings.nats_password is not None
        assert settings.nats_password.get_secret_value() == read
        assert read not in repr(settings)


@pytest.mark.parametrize("path", ["", "/dev/null"])
def test_no_file_or_an_empty_one_is_no_secret(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setenv(f"{PASSWORD}_FILE", path)
    assert read_settings(KitSettings).nats_password is None
    monkeypatch.setenv("CONFER_NATS_USER_FILE", "/nowhere")  # no secret: not looked at
    assert read_settings(KitSettings).nats_user is None


def test_a_secrets_file_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "password"
    monkeypatch.setenv(f"{PASSWORD}_FILE", str(file))
    with pytest.raises(SystemExit, match=f"wrong:\n  {PASSWORD}_FILE={file} cannot be read .*No such file"):
        read_settings(KitSettings)
    file.write_text("x" * (SECRET_CHARS_MAX + 1))
    with pytest.raises(SystemExit, match=f"{PASSWORD}_FILE=.* has more than {SECRET_CHARS_MAX} characters"):
        read_settings(KitSettings)
    file.write_text("in the file")
    monkeypatch.setenv(PASSWORD, "in the environment")
    with pytest.raises(SystemExit, match=f"{PASSWORD} and {PASSWORD}_FILE are both set") as ended:
        read_settings(KitSettings)
    assert "in the" not in str(ended.value)
