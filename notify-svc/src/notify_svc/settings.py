"""The settings of notify-svc, beside those of every process."""

from pydantic import Field

from confer_kit.settings import KitSettings


class Settings(KitSettings):
    metrics_port: int = Field(9105, ge=0, le=65535, description="port of /metrics; 0: none")
    notify_inbox_kept: int = Field(500, gt=0, description="newest notes of one audience that inboxes show and count")
    notify_window: int = Field(100_000, gt=0, description="the newest notes of the log; older ones leave the inboxes")
    notify_counted_people: int = Field(
        2000, gt=0, description="people seen last who are told their new count after a note to a role or to all"
    )
    notify_dedupe_s: float = Field(
        3600, gt=0, le=86400, description="seconds in which the same dedupe key of a sender is the same note"
    )
