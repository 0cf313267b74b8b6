"""What a tally looks like from outside."""

from confer_contracts import tally
from confer_kit.facts import StoredFact
from confer_kit.views import Views
from tally_svc.codec import CHANGED

(_TOTAL,) = tally.VIEWS


class TotalView:
    """`tally_total` after each fact, a burst of them as one."""

    def __init__(self, views: Views) -> None:
        self._views = views

    def observe(self, fact: StoredFact) -> None:
        """A fact of the own stream."""
        if fact.event == CHANGED:
            total = tally.TallyTotal(total=tally.TallyChanged.model_validate_json(fact.body).total)
            self._views.coalesce(_TOTAL, fact.subject.ident, lambda: (total.model_dump_json().encode(), fact.seq))
