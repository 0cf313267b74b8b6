"""The settings of sync-svc: those that every process shares, and its own."""

from pydantic import Field

from confer_kit.settings import KitSettings


class Settings(KitSettings):
    sync_records_cached: int = Field(10_000, gt=0, description="records that a sync-svc keeps folded in memory")
