"""Times on the command line."""

from datetime import UTC, datetime

from confer_ops.trouble import Trouble


def moment(text: str | None) -> str | None:
    """As calls want it: with a zone."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Trouble(f"{text!r} is no date and time as of ISO 8601, such as 2025-11-22T08:00") from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).isoformat()
