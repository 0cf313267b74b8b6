"""Who was in a record's room: stays, made of the rows of coming and going. Pure."""

from collections.abc import Iterable

from confer_contracts.activity import ActivityRow, Stay
from sync_svc.activity_page import unix


def stays_of(newest_first: Iterable[ActivityRow], since: str | None) -> list[Stay]:
    """Those that had not ended at `since`, in the order in which they began."""
    begun: dict[str, Stay] = {}
    stays: list[Stay] = []
    for row in reversed(list(newest_first)):
        if row.event == "user_joined":
            joined = Stay(user_id=row.user_id, joined_at=row.timestamp, joined_trace=row.trace_id)
            begun.setdefault(row.user_id, joined)  # told twice where presence had lost its log
        elif row.event == "user_left":
            stay = begun.pop(row.user_id, None) or Stay(user_id=row.user_id)
            stays.append(stay.model_copy(update={"left_at": row.timestamp, "left_trace": row.trace_id}))
    lasting = [stay for stay in stays if since is None or unix(stay.left_at or "") >= unix(since)]
    return sorted([*lasting, *begun.values()], key=lambda stay: unix(stay.joined_at) if stay.joined_at else 0.0)
