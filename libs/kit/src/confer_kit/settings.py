"""The settings that every process shares. Environment variables only, prefix `CONFER_`; read once at start."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import AliasChoices, Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

SECRET_CHARS_MAX: Final = 65_536


class KitSettings(BaseSettings):
    """Each field: its meaning is its description; `CONFER_` + name in capitals is its variable. A secret's may end in
    `_FILE` and name a file that holds it."""

    model_config = SettingsConfigDict(env_prefix="CONFER_", frozen=True, extra="ignore", populate_by_name=True)

    nats_url: str = Field("nats://127.0.0.1:4222", description="NATS servers, separated by commas")
    nats_user: str | None = Field(None, description="NATS user of this process")
    nats_password: SecretStr | None = Field(None, description="its password")
    nats_nkey_seed_file: Path | None = Field(
        None, description="file with the nkey seed of this process' NATS user, as `confer nats-users` writes it"
    )
    nats_tls_ca: Path | None = Field(
        None, description="file with the certificates that NATS servers are trusted by; with it they must speak TLS"
    )
    nats_tls_cert: Path | None = Field(None, description="file with this process' own certificate, if NATS asks for it")
    nats_tls_key: Path | None = Field(None, description="file with the key of that certificate")
    nats_connect_s: float = Field(30, gt=0, description="how long to wait for NATS and its streams at start")
    log_level: str = Field(
        "info", pattern="(?i)^(debug|info|warning|error)$", description="debug, info, warning or error"
    )
    log_levels_file: Path | None = Field(
        None, description="lines such as `confer_edge.feed = debug`, which hold while the process runs; none: no file"
    )
    log_lines_max: int = Field(
        200, ge=0, description="lines a second about handled messages; the next one tells how many were left out"
    )
    log_format: str = Field("auto", pattern="^(auto|text|json)$", description="text, json, or auto: text on a terminal")
    drain_s: float = Field(8, gt=0, description="how long requests in flight may take at shutdown")
    in_flight_max: int = Field(2000, gt=0, description="requests that a process handles at once; more are refused")
    audit_rate: float = Field(
        200, ge=0, description="reads and refusals a second that a process tells the stream AUDIT; 0: none"
    )
    metrics_host: str = Field("127.0.0.1", description="address of /metrics; 0.0.0.0 inside a container")
    metrics_port: int = Field(
        0, ge=0, le=65535, description="port of /metrics, /livez and /readyz for operators, one per process; 0: none"
    )
    otlp_endpoint: str | None = Field(
        None,
        validation_alias=AliasChoices("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
        description="where traces go (OTLP over HTTP); none: no tracing. OTEL_TRACES_SAMPLER,"
        " OTEL_RESOURCE_ATTRIBUTES and the other OTEL_* settings are the SDK's own; the header is `traceparent`",
    )

    otlp_protocol: str | None = Field(
        None,
        validation_alias=AliasChoices("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"),
        pattern="^http/protobuf$",
        description="http/protobuf (port 4318 of a collector): the only one that is built in",
    )
    otel_disabled: bool | None = Field(
        None,
        validation_alias=AliasChoices("OTEL_SDK_DISABLED"),
        description="true: no tracing, although there is an endpoint",
    )
    trace_ids: bool = Field(
        False, description="traces tell the ids of people, records and operations; they may identify patients"
    )

    @field_validator("*", mode="before")
    @classmethod
    def _empty_is_none(cls, value: Any, info: ValidationInfo) -> Any:
        """Compose files hand on variables that are not set as empty ones."""
        optional = info.field_name is not None and cls.model_fields[info.field_name].default is None
        return None if optional and value == "" else value

    @model_validator(mode="before")
    @classmethod
    def _secrets_from_files(cls, values: dict[str, Any]) -> dict[str, Any]:
        """So that a secret is neither in the environment nor in what `docker inspect` shows."""
        names = (name for name, field in cls.model_fields.items() if is_secret(field))
        found = {name: _held(f"CONFER_{name.upper()}", values.get(name)) for name in names}
        return values | {name: secret for name, secret in found.items() if secret is not None}

    @property
    def traces_to(self) -> str | None:
        """Where traces go; None: nowhere."""
        return None if self.otel_disabled else self.otlp_endpoint


@contextmanager
def without_environment() -> Iterator[None]:
    """Settings that are made inside have what they are given, and nothing of this process' own."""
    ours = dict(os.environ)  # noqa: TID251
    os.environ.clear()  # noqa: TID251
    try:
        yield
    finally:
        os.environ.update(ours)  # noqa: TID251


def is_secret(field: FieldInfo) -> bool:
    return SecretStr in (field.annotation, *get_args(field.annotation))


def variable(name: str) -> str | None:
    """An environment variable whose name only an operator's file knows, or another's documentation; None: it is not
    set, or empty."""
    return os.environ.get(name) or None  # noqa: TID251


def _held(name: str, given: Any) -> str | None:
    """The secret in the file that `<name>_FILE` names, without the end of its line; None: it is not set. `given`: what
    the variable itself says. ValueError when the file cannot be read."""
    path = os.environ.get(f"{name}_FILE")  # noqa: TID251
    if not path:
        return None
    if given:
        raise ValueError(f"{name} and {name}_FILE are both set; keep one")
    try:
        with Path(path).open() as file:
            secret = file.read(SECRET_CHARS_MAX + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{name}_FILE={path} cannot be read ({error})") from None
    if len(secret) > SECRET_CHARS_MAX:
        raise ValueError(f"{name}_FILE={path} has more than {SECRET_CHARS_MAX} characters")
    return secret.rstrip("\r\n")
