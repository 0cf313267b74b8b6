"""The canonical line: one for each message that was handled, with its outcome, its time and its trace."""

import time
from typing import Final

from confer_contracts import catalogue
from confer_contracts.errors import FAILURES
from confer_kit import logs, telemetry

log = logs.logger("handled")  # its level can be set as that of any module

_FIELDS: Final = frozenset(name for call in catalogue.PUBLIC_CALLS.values() for name in call.request.model_fields)


class _Limit:
    """Lines a second; whoever floods us does not fill our disk."""

    def __init__(self) -> None:
        self.per_second = 200
        self._second, self._said, self.left_out = 0, 0, 0

    def allows(self) -> bool:
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._said = second, 0
        self._said += 1
        if self._said > self.per_second:
            self.left_out += 1
            return False
        return True


_limit: Final = _Limit()


def configure(lines_a_second: int) -> None:
    _limit.per_second = lines_a_second


def handled(
    route: str, outcome: str, seconds: float, *, field: str | None = None, error: BaseException | None = None,
    **more: int,
) -> None:  # fmt: skip
    """`field`: which one was refused; told where it is the name of one of ours. `error`: what went wrong, if that was
    a surprise. The next line after `left_out` ones says how many those were."""
    failed = outcome in FAILURES
    if (log.threshold > 20 and not failed) or log.threshold > 30 or not _limit.allows():
        return
    told: dict[str, object] = {"outcome": str(outcome), "ms": round(seconds * 1000, 1), "trace": telemetry.trace_id()}
    if field is not None and (name := field.partition(".")[0]) in _FIELDS:
        told["field"] = name
    if _limit.left_out:
        told["left_out"], _limit.left_out = _limit.left_out, 0
    if error is not None:
        log.error(route, **told, **more, exc_info=error)
    elif failed:
        log.warning(route, **told, **more)
    else:
        log.info(route, **told, **more)
