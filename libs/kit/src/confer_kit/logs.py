"""Logs: one canonical line per handled message; readable on a terminal, JSON elsewhere; never a payload."""

import logging
import sys
from typing import Any

import structlog

# never local variables: they hold payloads and secrets
_traceback = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))


def logger(name: str) -> Any:
    return structlog.get_logger(name)


def configure(service: str, level: str = "info", style: str = "auto") -> None:
    """Set up once per process. `style`: `text`, `json`, or `auto` (text on a terminal)."""
    text = style == "text" or (style == "auto" and sys.stdout.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time") if not text else _nothing,
        _compact_errors if text else _traceback,
    ]
    render: Any = _text_line if text else structlog.processors.JSONRenderer(default=str)
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, _name(service), render],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=max(threshold, logging.WARNING), handlers=[Libraries()])
    logging.getLogger("nats").setLevel(logging.CRITICAL)  # its errors reach us by callbacks, which log them once


class Libraries(logging.Handler):
    """What a library logs becomes a line like our own."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        more = {"exc_info": error} if error else {}
        try:
            logger(record.name).log(record.levelno, record.getMessage(), library=record.name, **more)
        except Exception:  # whoever logs is not to fail by it
            self.handleError(record)


def _nothing(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    return event


def _name(service: str) -> Any:
    def add(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
        return {**event, "service": service}

    return add


def _compact_errors(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    """On a terminal an exception is its type and message; the stack is in the JSON logs and at debug level."""
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    if isinstance(error, BaseException):
        event["error"] = f"{type(error).__name__}: {error}"
    return event


def _text_line(_: Any, __: str, event: dict[str, Any]) -> str:
    event.pop("service", None)
    level = event.pop("level", "info")
    head = event.pop("event", "")
    mark = {"warning": "! ", "error": "!! ", "critical": "!! "}.get(level, "")
    return " ".join([f"{mark}{head}", *(f"{key}={value}" for key, value in event.items())])
