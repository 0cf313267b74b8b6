"""The numbers that notify-svc keeps beside those of every process."""

from typing import Final

from confer_kit.metrics import Counter, Gauge, by

SCHEDULED: Final = Gauge("confer_notify_scheduled", "Notes that wait for their time")
UNACKNOWLEDGED: Final = Gauge("confer_notify_unacknowledged", "Notes that wait for somebody to acknowledge them")
UNREAD: Final = Gauge("confer_notify_unread", "Notes that those seen last have not read, as they were told last")
PEOPLE: Final = Gauge("confer_notify_people", "People seen last, whose counts are kept current")
RULES: Final = by(
    Counter("confer_notify_rules", "What rules made of facts that they are about", ["outcome"]),
    "sent", "nobody", "refused", "late",
)  # fmt: skip
WEBHOOKS: Final = by(
    Counter("confer_notify_webhooks", "Attempts to deliver a note to a webhook", ["outcome"]),
    "delivered", "again", "dead", "late",
)  # fmt: skip
