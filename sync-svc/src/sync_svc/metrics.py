"""The numbers that sync-svc keeps beside those of every process."""

from typing import Final

from confer_kit.metrics import Counter, Gauge, by

CHANGES: Final = by(
    Counter("confer_sync_changes", "Changes of fields that were written; `overwrote` and `merged`: of a stale base"
            " (a repeat of an operation counts again)", ["outcome"]),
    "accepted", "overwrote", "merged", "refused",
)  # fmt: skip
RECORDS: Final = Gauge("confer_sync_records_cached", "Records whose fold is kept in memory")
ROWS: Final = Gauge("confer_sync_activity_rows", "Rows of the activity log that are indexed: by record, and by person")
