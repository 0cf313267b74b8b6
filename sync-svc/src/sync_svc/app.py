"""What sync-svc is made of: everything is wired here."""

from confer_contracts import sync
from confer_contracts.subjects import Kind
from confer_kit.ledger import Ledger
from confer_kit.service import Service
from sync_svc import metrics
from sync_svc.activity import Activity
from sync_svc.codec import FormCodec, RecordCodec
from sync_svc.domain.messages import Event
from sync_svc.domain.registry import FormRegistered, Registered
from sync_svc.domain.state import Record
from sync_svc.forms import Forms, read_files
from sync_svc.handlers import Handlers
from sync_svc.history import History
from sync_svc.settings import Settings
from sync_svc.views import StepsView


def build(service: Service, settings: Settings) -> None:
    codec = RecordCodec()
    ledger: Ledger[Record, Event] = service.ledger(codec, capacity=settings.sync_records_cached)
    history = History(service.log, codec)
    activity = Activity(service.link, history, settings.sync_activity_rows)
    registered: Ledger[Registered, FormRegistered] = service.ledger(FormCodec())
    forms = Forms(registered, read_files(settings.sync_schemas))
    metrics.RECORDS.set_function(lambda: ledger.kept)
    metrics.ROWS.set_function(lambda: activity.rows)
    handlers = Handlers(service, ledger, history, forms, activity)

    service.serve(sync.FIELD_UPDATE, handlers.field_update)
    service.serve(sync.STEP_UPDATE, handlers.step_update)
    service.serve(sync.STEP_CHANGE, handlers.step_change)
    service.serve(sync.FIELD_COMPLETED, handlers.field_completed)
    service.serve(sync.FIELD_CONFLICT_DETECTED, handlers.field_conflict_detected)
    service.serve(sync.ACTIVITY_LOG, handlers.activity_log)
    service.serve(sync.PRESENCE_HISTORY, handlers.presence_history)
    service.serve(sync.FIELD_HISTORY, handlers.field_history)
    service.serve(sync.FIELD_RESTORE, handlers.field_restore)
    service.serve(sync.FORM_REGISTER, handlers.form_register)
    service.serve(sync.FORM_LIST, handlers.form_list)
    service.snapshot(Kind.ROOM, handlers.snapshot)

    service.follow(StepsView(service, ledger, forms).observe, start="new")
    service.on_caught_up(lambda: activity.start(service.tasks))
    service.on_caught_up(lambda: forms.start(service.tasks))
