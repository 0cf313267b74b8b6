"""The settings of notify-svc, beside those of every process."""

from pathlib import Path

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
    notify_expiry_days: float = Field(400, gt=0, description="days ahead that a note may expire")
    notify_follows_max: int = Field(100, gt=0, description="topics, and staffs of queues, that one person may follow")
    notify_ahead_days: float = Field(366, gt=0, description="days ahead that a note may be scheduled")
    notify_scheduled_max: int = Field(200, gt=0, description="notes of one sender that may wait for their time")
    notify_unacknowledged_max: int = Field(5000, gt=0, description="notes that may wait to be acknowledged, of all")
    notify_repeat_min_s: float = Field(10, ge=1, description="seconds between reminders, at least")
    notify_rules_file: Path | None = Field(None, description="rules that tell people of facts (TOML); none: no rules")
    notify_rules_age_s: float = Field(3600, gt=0, description="facts that are read later are no news to rules")
    notify_webhooks_file: Path | None = Field(None, description="where notes go as webhooks (TOML); none: nowhere")
    notify_webhook_attempts: int = Field(10, gt=0, description="attempts before a webhook's note is put aside")
    notify_webhook_age_s: float = Field(604_800, gt=0, description="notes that are read later go to no webhook")
    notify_webhook_backoff_s: float = Field(5, gt=0, description="seconds before the second; then four times as long")
