"""The settings of queue-svc, beside those that every process shares."""

from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from confer_kit.settings import KitSettings


class Settings(KitSettings):
    metrics_port: int = Field(9104, ge=0, le=65535, description="port of /metrics; 0: none")
    queue_claim_s: float = Field(1800, gt=0, description="how long a called ticket is held before it returns")
    queue_policies: Path | None = Field(
        None, description="file (TOML) of policies of queues; none: every queue is as the defaults say"
    )
    queue_snapshot_facts: int = Field(
        5000, gt=0, description="facts until a new snapshot is made, from which replicas start"
    )
    queue_snapshot_check_s: float = Field(30, gt=0, description="seconds between two looks whether they have come")
    queue_segment_facts: int = Field(
        1000,
        gt=1,
        description="facts of a queue until its log goes on in a new segment, which NATS looks through",
    )
    queue_declared_only: bool = Field(False, description="refuse calls to queues that no policy was declared for")
    queue_timezone: str = Field(
        "UTC", description="IANA time zone of the queues, such as Asia/Bangkok: numbers and statistics begin by its day"
    )

    queue_rows_beside: int = Field(
        50, ge=0, le=1000,
        description="rows of the queue `screening` in a room's snapshot; those of its own patient come in any case",
    )  # fmt: skip

    queue_metrics_max: int = Field(
        50, gt=0, description="queues whose numbers are shown by name, of those with a policy; the others are `other`"
    )

    @field_validator("queue_timezone")
    @classmethod
    def _must_be_known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (OSError, ValueError, KeyError) as error:
            raise ValueError("is no time zone that this machine knows") from error
        return name
