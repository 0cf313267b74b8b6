"""The settings of presence-svc, beside those that every process has."""

from typing import Self

from pydantic import Field, model_validator

from confer_kit.settings import KitSettings


class Settings(KitSettings):
    metrics_port: int = Field(9102, ge=0, le=65535, description="port of /metrics; 0: none")
    presence_away_after_s: float = Field(
        120, gt=0, description="without activity for so long a person is shown as away"
    )
    presence_editing_s: float = Field(
        120, gt=0, description='a mark "X is editing" of which nothing was heard for so long is over'
    )
    presence_lease_s: float = Field(20, gt=0, description="an edge that is silent for so long has lost its sessions")
    presence_gone_s: float = Field(
        10, gt=0, description="an edge of which NATS has known no connection for so long has lost its sessions"
    )
    presence_dropped_grace_s: float = Field(
        15, ge=0, description="how long a person is kept whose session an edge no longer lists"
    )
    presence_settle_s: float = Field(
        6, ge=0, description="after a start or a cut: how long edges have to report before anybody is shown as left"
    )
    presence_room_people_max: int = Field(1000, gt=0, description="people in one room; more are refused")
    presence_page: int = Field(
        100, gt=0, le=300, description="people in a snapshot or roster; of a larger room these are the first page"
    )
    presence_lock_s: float = Field(60, gt=0, description="how long a field stays locked without activity of its holder")
    presence_lock_max_s: float = Field(600, gt=0, description="the longest time that a client may lock a field for")
    presence_room_locks_max: int = Field(200, gt=0, description="fields that are locked in one room; more are refused")

    @model_validator(mode="after")
    def _a_lock_must_be_allowed(self) -> Self:
        if self.presence_lock_s > self.presence_lock_max_s:
            raise ValueError("CONFER_PRESENCE_LOCK_S must not be more than CONFER_PRESENCE_LOCK_MAX_S")
        return self
