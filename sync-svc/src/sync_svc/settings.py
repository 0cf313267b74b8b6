"""The settings of sync-svc: those that every process shares, and its own."""

from pathlib import Path

from pydantic import Field

from confer_kit.settings import KitSettings


class Settings(KitSettings):
    metrics_port: int = Field(9103, ge=0, le=65535, description="port of /metrics; 0: none")
    sync_records_cached: int = Field(10_000, gt=0, description="records that a sync-svc keeps folded in memory")
    sync_activity_rows: int = Field(
        1_000_000, gt=0, description="newest facts of ACTIVITY in which a sync-svc finds rows by record and person"
    )
    sync_schemas: Path | None = Field(
        None, description="directory of forms: patient.json, session.json, free.json; none: any field, any value"
    )
