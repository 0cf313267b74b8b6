"""What tally-svc is made of: everything is wired here."""

from confer_contracts import tally
from confer_kit.ledger import Ledger
from confer_kit.service import Service
from tally_svc.codec import TallyCodec
from tally_svc.domain.tally import Added, Tally
from tally_svc.handlers import Handlers
from tally_svc.settings import Settings
from tally_svc.views import TotalView


def build(service: Service, settings: Settings) -> None:
    ledger: Ledger[Tally, Added] = service.ledger(TallyCodec(), capacity=settings.tally_kept)
    service.serve(tally.TALLY_ADD, Handlers(ledger).tally_add)
    service.follow(TotalView(service.views).observe, start="new")
