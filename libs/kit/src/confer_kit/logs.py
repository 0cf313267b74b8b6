"""Logs: readable on a terminal, a JSON object per line elsewhere; nothing personal.

Never a payload, an id of a person or record, or the text of an exception, which may quote one: only where a module's
level is debug is that text shown. `handled` has the line of each message.
"""

import logging
import re
import sys
import traceback
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from confer_kit import clock

LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_NAMES: Final = {number: name for name, number in LEVELS.items()} | {logging.CRITICAL: "error"}
_MARKS: Final = {"warning": "! ", "error": "!! "}
FRAMES_MAX, CAUSES_MAX = 30, 5
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # nobody writes lines of ours, or to the terminal


class Logger:
    """Says what a module has to say, from the level on that is set for it."""

    __slots__ = ("name", "threshold")

    def __init__(self, name: str) -> None:
        self.name = name
        self.threshold = _setup.level_of(name)

    def debug(self, event: str, **more: object) -> None:
        if self.threshold <= 10:
            _setup.say(self, "debug", event, more)

    def info(self, event: str, **more: object) -> None:
        if self.threshold <= 20:
            _setup.say(self, "info", event, more)

    def warning(self, event: str, **more: object) -> None:
        if self.threshold <= 30:
            _setup.say(self, "warning", event, more)

    def error(self, event: str, **more: object) -> None:
        _setup.say(self, "error", event, more)

    def exception(self, event: str, **more: object) -> None:
        """With the exception that is being handled."""
        _setup.say(self, "error", event, {**more, "exc_info": sys.exc_info()[1]})


class _Setup:
    """Of this process."""

    def __init__(self) -> None:
        self.service, self.text = "", True
        self.default, self.by_module = LEVELS["info"], dict[str, int]()
        self.loggers: dict[str, Logger] = {}

    def level_of(self, name: str) -> int:
        """Of the longest name that is set: `confer_kit.serving`, else `confer_kit`, else the default."""
        while name not in self.by_module and name:
            name = name.rpartition(".")[0]
        return self.by_module.get(name, self.default)

    def apply(self) -> None:
        for name, log in self.loggers.items():
            log.threshold = self.level_of(name)

    def say(self, log: Logger, level: str, event: str, more: dict[str, object]) -> None:
        error = more.pop("exc_info", None)
        whole = log.threshold <= LEVELS["debug"]
        if self.text:
            if isinstance(error, BaseException):
                more["error"] = _short(error, whole)
            told = " ".join([f"{_MARKS.get(level, '')}{event}", *(f"{key}={value}" for key, value in more.items())])
            line = _CONTROL.sub(_escaped, told)
        else:
            if isinstance(error, BaseException):
                more["exception"] = [_told(each, whole) for each in _causes(error)]
            head = {"time": clock.iso(clock.now()), "level": level, "service": self.service, "module": log.name}
            line = orjson.dumps({**head, "event": event, **more}, default=str).decode()
        try:
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
        except (OSError, ValueError):  # nobody reads it any more: that is not the speaker's trouble
            pass


_setup: Final = _Setup()


def logger(name: str) -> Logger:
    """The one of this name."""
    if name not in _setup.loggers:
        _setup.loggers[name] = Logger(name)
    return _setup.loggers[name]


def configure(service: str, level: str = "info", style: str = "auto") -> None:
    """Set up once per process. `style`: `text`, `json`, or `auto` (text on a terminal)."""
    _setup.service = service
    _setup.text = style == "text" or (style == "auto" and sys.stdout.isatty())
    _setup.default = LEVELS[level.lower()]
    _setup.apply()
    logging.basicConfig(level=max(_setup.default, logging.WARNING), handlers=[Libraries()])
    logging.getLogger("nats").setLevel(logging.CRITICAL)  # its errors reach us by callbacks, which log them once


def set_levels(levels: Mapping[str, int]) -> None:
    """By module, from now on; for the others the level of the start."""
    _setup.by_module = dict(levels)
    _setup.apply()


def parse_levels(raw: bytes) -> dict[str, int]:
    """Lines such as `confer_edge.feed = debug`; ValueError that says which one is none."""
    levels: dict[str, int] = {}
    for number, line in enumerate(raw.decode().splitlines(), 1):
        told = line.partition("#")[0].strip()
        module, _, level = (part.strip() for part in told.partition("="))
        if told and (not module or level.lower() not in LEVELS):
            raise ValueError(f"line {number}: must be a module = {', '.join(LEVELS)}")
        if told:
            levels[module] = LEVELS[level.lower()]
    return levels


class Libraries(logging.Handler):
    """What a library logs becomes a line like our own."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        more = {"exc_info": error} if error else {}
        try:
            log = logger(record.name)
            level = _NAMES.get(record.levelno, "warning")
            if log.threshold <= record.levelno:
                _setup.say(log, level, record.getMessage(), {"library": record.name, **more})
        except Exception:  # whoever logs is not to fail by it
            self.handleError(record)


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def _causes(error: BaseException) -> Iterator[BaseException]:
    each: BaseException | None = error
    for _ in range(CAUSES_MAX):
        if each is None:
            return
        yield each
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)


def _told(error: BaseException, whole: bool) -> dict[str, Any]:
    """Type and frames; the text where it may be shown. Never local variables."""
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES_MAX:]
    where = [{"file": frame.filename, "line": frame.lineno, "name": frame.name} for frame in frames]
    return {"type": type(error).__name__, "frames": where, **({"text": str(error)} if whole else {})}


def _short(error: BaseException, whole: bool) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {frames[-1].name} ({frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}{f': {error}' if whole else ''}{where}"
