"""What each user of NATS may do, it can; what it may not is refused by the server, and seen on both sides."""

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import nats.errors
import pytest
from prometheus_client import REGISTRY

from confer_contracts import nats_accounts
from confer_contracts.permissions import AUTHORISER, EDGES, OPERATOR, PROVISION, users
from confer_contracts.subjects import LIVE
from confer_kit import nats_users
from confer_kit.nats_link import Link, wait_for_nats
from confer_kit.process import wait_for_stream
from confer_kit.settings import KitSettings
from confer_kit.testing import NatsServer, nats_server
from confer_kit.testing.nats import with_users
from confer_ops.processes import found
from confer_ops.provision import existing, provision

OTHERS = [user.name for user in users() if user.name != PROVISION]
ALLOWED = [
    (EDGES, "log.edge.probe.e1.tick"),
    (EDGES, "call.sync.field_update"),
    (EDGES, "session.a"),
    ("sync-svc", "_INBOX_confer_edge.a.sync.1"),
    ("presence-svc", "_INBOX_queue_svc.a.presence.1"),
    ("queue-svc", "log.queue.queue.q1.t1"),
    ("queue-svc", "view.queue.q1.table"),
    ("sync-svc", "log.audit.room.r1.snapshot"),
    ("sync-svc", "$JS.API.STREAM.PURGE.SNAPSHOTS_SYNC"),
    ("presence-svc", "$JS.API.CONSUMER.CREATE.SYNC.presence-on-sync.log.sync.room.*.record"),
    (OPERATOR, "call.queue.queue_call_next"),
    (OPERATOR, "log.access.user.anna.revoked"),
    (PROVISION, "$JS.SNAPSHOT.RESTORE.SYNC.token"),
    (PROVISION, "$JS.SNAPSHOT.ACK.SYNC.token"),
]
FORBIDDEN = [
    # the facts of others, and those that only the server writes
    ("sync-svc", "log.queue.queue.q1.t1"),
    ("presence-svc", "log.sync.room.r1.record"),
    ("notify-svc", "log.access.user.anna.revoked"),
    ("sync-svc", "log.audit.queue.q1.queue_call_next"),
    (EDGES, "log.sync.room.r1.record"),
    (EDGES, "log.edge.probe.e1.other"),
    (EDGES, "log.access.user.anna.revoked"),
    (OPERATOR, "log.queue.queue.q1.t1"),
    *((user.name, subject) for user in users() for subject in ("room.r1", "user.anna", "_sourced.LIVE.SYNC.live")),
    # others' views, answers, snapshots and sessions
    ("sync-svc", "view.queue.q1.table"),
    (EDGES, "view.room.r1.roster"),
    ("sync-svc", "_INBOX_confer_edge.a.1"),
    ("sync-svc", "_INBOX_confer_edge.a.queue.1"),
    ("sync-svc", "_INBOX_queue_svc.a.sync.1"),
    ("sync-svc", "snapshot.queue.head"),
    ("sync-svc", "session.a"),
    # calls that are not theirs
    (EDGES, "call.sync.form_register"),
    (EDGES, "call.notify.tell"),
    ("sync-svc", "call.queue.queue_call_next"),
    (AUTHORISER, "call.queue.queue_call_next"),
    # others' streams: reading, following, changing, ending
    ("sync-svc", "$JS.API.STREAM.MSG.GET.QUEUE"),
    ("sync-svc", "$JS.API.DIRECT.GET.QUEUE"),
    ("sync-svc", "$JS.API.DIRECT.GET.SNAPSHOTS_QUEUE"),
    ("sync-svc", "$JS.API.CONSUMER.CREATE.QUEUE"),
    ("queue-svc", "$JS.API.CONSUMER.CREATE.SYNC.queue-on-sync.log.sync.>"),
    ("queue-svc", "$JS.API.CONSUMER.DURABLE.CREATE.SYNC.queue-on-sync"),
    ("queue-svc", "$JS.API.CONSUMER.MSG.NEXT.SYNC.presence-on-sync"),
    (EDGES, "$JS.API.DIRECT.GET.SYNC"),
    (EDGES, "$JS.API.CONSUMER.CREATE.SYNC"),
    *((user, f"$JS.API.STREAM.{do}.SYNC") for user in OTHERS for do in ("DELETE", "PURGE", "UPDATE")),
    *((user, "$JS.API.STREAM.CREATE.MINE") for user in OTHERS),
    *((user, "$JS.SNAPSHOT.RESTORE.SYNC.token") for user in OTHERS),
    *((user, "$JS.API.STREAM.MSG.DELETE.LIVE") for user in OTHERS),
    ("sync-svc", "$JS.API.STREAM.PURGE.SNAPSHOTS_QUEUE"),
    # what feeds LIVE, and others' places in the own log
    *((f"{s.lower()}-svc", f"$JS.API.CONSUMER.DELETE.{s}.live") for s in ("PRESENCE", "SYNC", "QUEUE", "NOTIFY")),
    ("sync-svc", "$JS.API.CONSUMER.DELETE.SYNC.presence-on-sync"),
    ("sync-svc", "$JS.ACK.SYNC.presence-on-sync.1.1.1.1.1"),
    ("notify-svc", "$JS.API.CONSUMER.DURABLE.CREATE.NOTIFY.live"),
    ("notify-svc", "$JS.API.CONSUMER.CREATE.NOTIFY.live.log.notify.>"),
]  # fmt: skip
UNHEARD = [
    *((user.name, subject) for user in users() for subject in (">", "_INBOX.>", "log.>", "room.>")),
    ("sync-svc", "_INBOX_confer_edge.>"),
    ("sync-svc", "call.queue.*"),
    ("sync-svc", "view.>"),
    (EDGES, "call.sync.*"),
    (EDGES, "$SRV.STATS.sync-svc"),
    (OPERATOR, "_INBOX_sync_svc.>"),
]


class Rig:
    """A server with users and streams, and connections as each of them."""

    def __init__(self, server: NatsServer, keys: Path, stack: AsyncExitStack) -> None:
        self.server, self._keys, self._stack = server, keys, stack
        self._links: dict[str, Link] = {}

    async def link(self, user: str) -> Link:
        if user not in self._links:
            link = self._links[user] = Link()
            await link.connect(self.settings(user), user)
            self._stack.push_async_callback(link.close, 5)
        return self._links[user]

    def settings(self, user: str) -> KitSettings:
        seed = nats_users.seed_file(self._keys, user)
        return KitSettings(nats_url=self.server.url, nats_nkey_seed_file=seed, nats_connect_s=30)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    keys = tmp_path / "keys"
    nats_users.make(keys)
    log = f'log_file: "{tmp_path / "server.log"}"\n'
    async with nats_server(log + with_users(keys, strict=True)) as server, AsyncExitStack() as stack:
        made = Rig(server, keys, stack)
        await provision((await made.link(PROVISION)).nc)
        yield made


def violations(operation: str) -> float:
    return REGISTRY.get_sample_value("confer_nats_permission_violations_total", {"operation": operation}) or 0.0


async def test_what_is_needed_is_permitted(rig: Rig) -> None:
    before = violations("publish")
    for user, subject in ALLOWED:
        link = await rig.link(user)
        await link.nc.publish(subject, b"{}")
        await link.settled()
        assert violations("publish") == before, (user, subject)


async def test_what_is_forbidden_is_refused_and_seen(
    rig: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    admin = (await rig.link(PROVISION)).nc.jetstream()
    streams = await existing((await rig.link(PROVISION)).nc)
    stored = {name: (await admin.stream_info(name)).state.last_seq for name in streams}
    for user, subject in FORBIDDEN:
        link, before = await rig.link(user), violations("publish")
        await link.nc.publish(subject, b"{}")
        await link.settled()
        assert violations("publish") == before + 1, (user, subject)
    assert {name: (await admin.stream_info(name)).state.last_seq for name in streams} == stored
    server = (tmp_path / "server.log").read_text()
    assert server.count("Publish Violation") == len(FORBIDDEN)
    assert "NATS does not permit it" in capsys.readouterr().out


async def test_nobody_listens_to_others(rig: Rig) -> None:
    for user, subject in UNHEARD:
        link, before = await rig.link(user), violations("subscription")
        await link.nc.subscribe(subject)
        await link.settled()
        assert violations("subscription") == before + 1, (user, subject)


async def test_calls_are_taken_in_the_services_group_alone(rig: Rig) -> None:
    """Beside the group a service would hear every replica's calls."""
    link, before = await rig.link("sync-svc"), violations("subscription")
    await link.nc.subscribe("call.sync.*", queue="sync")
    await link.settled()
    assert violations("subscription") == before
    await link.nc.subscribe("call.sync.*")
    await link.settled()
    assert violations("subscription") == before + 1


@pytest.mark.parametrize(
    ("user", "subject", "asking"), [("sync-svc", "call.sync.*", OPERATOR), (AUTHORISER, "call.access.check", EDGES)]
)
async def test_who_is_asked_answers_once(rig: Rig, user: str, subject: str, asking: str) -> None:
    asked, asker = await rig.link(user), await rig.link(asking)
    calls = await asked.nc.subscribe(subject, queue=user.partition("-")[0])
    await asked.settled()
    request = await asker.nc.ask(subject.replace("*", "field_update"), b"{}", 10)
    call = await calls.next_msg(timeout=10)
    before = violations("publish")
    await asked.nc.publish(call.reply, b"yes")
    await asked.settled()
    assert ((await request).data, violations("publish")) == (b"yes", before)
    await asked.nc.publish(call.reply, b"again")
    await asked.settled()
    assert violations("publish") == before + 1


async def test_an_answer_comes_although_the_service_was_cut_off_meanwhile(rig: Rig) -> None:
    asked, edge = await rig.link("sync-svc"), await rig.link(EDGES)
    calls = await asked.nc.subscribe("call.sync.*", queue="sync")
    await asked.settled()
    request = await edge.nc.ask("call.sync.field_update", b"{}", 30)
    call = await calls.next_msg(timeout=10)
    again = asyncio.Event()
    asked.on_reconnect.append(again.set)
    await asked.nc.force_reconnect()
    await asyncio.wait_for(again.wait(), 30)
    await asked.nc.publish(call.reply, b"yes")
    assert (await request).data == b"yes"


async def test_a_fact_reaches_an_edge_by_live(rig: Rig) -> None:
    """Permissions on the way of a fact are the server's own: nobody needs LIVE's subjects."""
    service, edge = (await rig.link("sync-svc")).nc, (await rig.link(EDGES)).nc
    stored = await service.request("log.sync.room.r1.record", b"{}", timeout=10)
    assert json.loads(stored.data)["seq"] == 1
    while not (await edge.jetstream().stream_info(LIVE)).state.messages:
        pass
    found = await edge.jetstream().get_last_msg(LIVE, "room.r1")
    assert found.data == b"{}"


async def test_no_fact_is_forged_by_having_it_delivered(rig: Rig) -> None:
    """A consumer's deliver subject is out of permissions' reach. A stream is no listener, though, and nobody else may
    listen to the log: the server has nobody to deliver to."""
    service, edge, server = [(await rig.link(user)).nc for user in ("sync-svc", EDGES, PROVISION)]
    wanted = {"deliver_subject": "log.sync.room.r2.record", "deliver_policy": "all", "ack_policy": "none"}
    body = json.dumps({"stream_name": LIVE, "config": wanted}).encode()
    made = json.loads((await edge.request(f"$JS.API.CONSUMER.CREATE.{LIVE}", body, timeout=10)).data)
    for _ in range(2):
        await service.request("log.sync.room.r1.record", b"{}", timeout=10)
    while (info := await server.jetstream().consumer_info(LIVE, made["name"])).num_pending != 2:
        assert info.delivered is not None
        assert info.delivered.consumer_seq == 0
    log = (await server.jetstream().stream_info("SYNC", subjects_filter=">")).state
    assert log.subjects == {"log.sync.room.r1.record": 2}


async def test_the_operators_account_is_a_boundary_of_its_own(tmp_path: Path) -> None:
    """Were its user allowed everything, no more would cross: no fact, no end of a stream, nobody's words."""
    keys = tmp_path / "keys"
    nats_users.make(keys)
    before, ours, after = re.split(r"(  OPS \{.*?    \]\n    imports)", nats_accounts.accounts(), flags=re.DOTALL)
    unlimited = re.sub(r"permissions \{.*?\n        \}\n", "", ours, flags=re.DOTALL)
    assert unlimited.count("\n") < 10
    async with (
        nats_server(with_users(keys, before + unlimited + after, strict=True)) as server,
        AsyncExitStack() as stack,
    ):
        rig = Rig(server, keys, stack)
        operator, sync, admin = [(await rig.link(user)).nc for user in (OPERATOR, "sync-svc", PROVISION)]
        await provision(admin)
        for subject in ("log.queue.queue.q1.t1", "room.r1", "session.a", "$JS.API.STREAM.DELETE.SYNC"):
            with pytest.raises(nats.errors.NoRespondersError):
                await operator.request(subject, b"{}", timeout=10)
        everything = await operator.subscribe(">")
        await (await rig.link(OPERATOR)).settled()
        await sync.request("log.sync.room.r1.record", b"{}", timeout=10)
        await sync.publish("view.room.r1.steps", b"{}")
        heard = [await everything.next_msg(timeout=10)]
        while heard[-1].subject != "view.room.r1.steps":
            heard.append(await everything.next_msg(timeout=10))
        assert {each.subject.split(".")[0] for each in heard[:-1]} <= {"_INBOX_confer_operator", "_R_", "$JS"}, heard
        states = {name: (await admin.jetstream().stream_info(name)).state.messages for name in await existing(admin)}
        assert {name for name, count in states.items() if count} <= {"SYNC", LIVE, "ACTIVITY"}


async def test_before_anybody_runs_the_operator_finds_nobody(rig: Rig) -> None:
    assert await found((await rig.link(OPERATOR)).nc) == []


async def test_who_has_no_key_does_not_come_in(rig: Rig) -> None:
    with pytest.raises(SystemExit, match="does not know this user: see CONFER_NATS_NKEY_SEED_FILE"):
        await wait_for_nats(Link(), KitSettings(nats_url=rig.server.url, nats_connect_s=2), "sync-svc")


async def test_the_key_of_another_process_is_said(rig: Rig) -> None:
    """And not that the stream is missing, which it cannot see."""
    link = await rig.link("queue-svc")
    with pytest.raises(SystemExit, match=r"NATS does not permit .*CONFER_NATS_NKEY_SEED_FILE is the key of another"):
        await wait_for_stream(link, "SYNC", KitSettings(nats_connect_s=0.1))


async def test_a_key_of_another_installation_does_not_fit(rig: Rig, tmp_path: Path) -> None:
    nats_users.make(tmp_path / "other")
    seed = nats_users.seed_file(tmp_path / "other", "sync-svc")
    settings = KitSettings(nats_url=rig.server.url, nats_nkey_seed_file=seed, nats_connect_s=2)
    with pytest.raises(SystemExit, match="does not know this user"):
        await wait_for_nats(Link(), settings, "sync-svc")


async def test_a_key_that_is_made_anew_shuts_out_who_has_the_old_one(tmp_path: Path) -> None:
    """Also who is connected by it; the others stay."""
    keys = tmp_path / "keys"
    nats_users.make(keys)
    stolen = shutil.copy(nats_users.seed_file(keys, "sync-svc"), tmp_path)
    async with nats_server(with_users(keys, strict=True)) as server, AsyncExitStack() as stack:
        rig = Rig(server, keys, stack)
        thief, other = await rig.link("sync-svc"), await rig.link("queue-svc")
        gone, left = asyncio.Event(), asyncio.Event()
        thief.on_disconnect.append(gone.set)
        other.on_disconnect.append(left.set)
        shutil.rmtree(keys / "sync-svc")
        assert nats_users.make(keys) == ["sync-svc"]
        await server.configure(with_users(keys, strict=True))
        await asyncio.wait_for(gone.wait(), 30)
        settings = KitSettings(nats_url=server.url, nats_connect_s=2)
        with pytest.raises(SystemExit, match="does not know this user"):
            await wait_for_nats(Link(), settings.model_copy(update={"nats_nkey_seed_file": Path(stolen)}), "sync-svc")
        own = settings.model_copy(update={"nats_nkey_seed_file": nats_users.seed_file(keys, "sync-svc")})
        again = Link()
        await wait_for_nats(again, own.model_copy(update={"nats_connect_s": 30}), "sync-svc")
        await again.close(5)
        assert not left.is_set()


@pytest.mark.parametrize("text", ["", "SUAnonsense", "UAF7N2SXZ"])
async def test_a_file_without_a_seed_is_said(tmp_path: Path, text: str) -> None:
    path = tmp_path / "seed.nk"
    path.write_text(text)
    with pytest.raises(SystemExit, match=f"CONFER_NATS_NKEY_SEED_FILE: {path} cannot be used: not a seed") as told:
        await wait_for_nats(Link(), KitSettings(nats_nkey_seed_file=path), "sync-svc")
    assert not text or text not in str(told.value)
