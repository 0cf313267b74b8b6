"""The settings of tally-svc: those that every process shares, and its own."""

from pydantic import Field

from confer_kit.settings import KitSettings


class Settings(KitSettings):
    metrics_port: int = Field(9107, ge=0, le=65535, description="port of /metrics; 0: none")
    tally_kept: int = Field(10_000, gt=0, description="tallies that a tally-svc keeps folded in memory")
