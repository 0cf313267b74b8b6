"""The settings of queue-svc, beside those that every process shares."""

from pydantic import Field

from confer_kit.settings import KitSettings


class Settings(KitSettings):
    metrics_port: int = Field(9104, ge=0, le=65535, description="port of /metrics; 0: none")
    queue_claim_s: float = Field(1800, gt=0, description="how long a called ticket is held before it returns")
