"""Webhooks against a real HTTP server, which fails at times: signed, tried again, put aside."""

import asyncio
import base64
import hashlib
import hmac
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from confer_kit import clock
from confer_kit.testing.ports import free_port

Rig = Any  # of conftest
pytestmark = pytest.mark.timeout(600)
KEY = b"a key of twenty-four bytes"
WITHIN_S = 120


class Receiver(ThreadingHTTPServer):
    """Answers as `answer(n)` says to the n-th request for a note, from 1; keeps what it took, by `webhook-id`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer: Callable[[int], int] = lambda _: 204
        self.requests: list[tuple[str, str]] = []  # (path, id)
        self.taken: dict[str, Any] = {}
        self.tried: Counter[str] = Counter()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/in"

    async def until(self, done: Callable[[], Any]) -> None:
        try:
            async with asyncio.timeout(WITHIN_S):
                while not done():
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"tried {self.tried}, taken {self.taken}") from None

    async def has_taken(self, note: str) -> Any:
        """What it was told of the note, once it was."""
        await self.until(lambda: note in self.taken)
        return self.taken[note]


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        note, at = self.headers["webhook-id"], self.headers["webhook-timestamp"]
        digest = hmac.new(KEY, f"{note}.{at}.".encode() + body, hashlib.sha256).digest()
        assert self.headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
        self.server.requests.append((self.path, note))
        self.server.tried[note] += 1
        status = self.server.answer(self.server.tried[note])
        if status == 0:  # not a word
            self.close_connection = True
            return
        if status in range(200, 300):
            self.server.taken[note] = json.loads(body)
        self.send_response(status)
        if status in range(300, 400):
            self.send_header("location", f"{self.server.url}/elsewhere")
        self.end_headers()

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def hooks(tmp_path: Path, receiver: Receiver) -> Path:
    return written(tmp_path, receiver.url)


def written(folder: Path, url: str, more: str = "") -> Path:
    (folder / "secret").write_text(f"whsec_{base64.b64encode(KEY).decode()}")
    file = folder / "hooks.toml"
    file.write_text(f'[[webhooks]]\nname = "line"\nurl = "{url}"\nsecret_file = "{folder / "secret"}"\n{more}')
    return file


async def started(rig: Rig, hooks: Path, count: int = 1, **more: Any) -> None:
    """Replicas that deliver from now on, with next to no backoff."""
    settings = {"notify_webhooks_file": hooks, "notify_webhook_backoff_s": 0.05} | more
    await rig.replicas(count, **settings)
    await following(rig)


async def following(rig: Rig) -> None:
    js = rig.link.nc.jetstream()
    async with asyncio.timeout(WITHIN_S):
        while "notify-to-line" not in {consumer.name for consumer in await js.consumers_info("NOTIFY")}:
            await asyncio.sleep(0.05)


async def handled(rig: Rig) -> None:
    """Nothing waits for its delivery, or for its next attempt."""
    js = rig.link.nc.jetstream()
    async with asyncio.timeout(WITHIN_S):
        while (info := await js.consumer_info("NOTIFY", "notify-to-line")).num_pending or info.num_ack_pending:
            await asyncio.sleep(0.05)


async def test_a_note_is_told_signed_and_whole(rig: Rig, receiver: Receiver, hooks: Path) -> None:
    await started(rig, hooks)
    sent = await rig.send("Room 2", to={"user": "สม ชาย"}, priority="high", data={"room": 2})
    await receiver.until(lambda: receiver.taken)
    told = receiver.taken[sent["id"]]
    assert told["type"] == "notification.sent"
    note = told["data"]
    assert (note["id"], note["title"], note["audience"], note["priority"], note["data"], note["from_user"]) == (
        sent["id"], "Room 2", "user.สม ชาย", "high", {"room": 2}, "ana",
    )  # fmt: skip
    assert receiver.requests == [("/in", sent["id"])]


async def test_an_adapter_hears_what_the_person_wants_to_hear(rig: Rig, receiver: Receiver, hooks: Path) -> None:
    await started(rig, hooks)
    now = datetime.fromtimestamp(clock.now(), UTC)
    start, end = (now - timedelta(hours=1)).strftime("%H:%M"), (now + timedelta(hours=2)).strftime("%H:%M")
    wish = {"mute": ["info"], "quiet": {"start": start, "end": end, "zone": "UTC"}}
    await rig.ok("notification_preferences", {"preferences": wish}, user="bob", role="nurse")
    told = {}
    for kind, priority, to in (("info", "low", "bob"), ("error", "low", "bob"), ("info", "critical", "bob"),
                               ("info", "low", "eve")):  # fmt: skip
        note = (await rig.send("x", to={"user": to}, type=kind, priority=priority))["id"]
        data = (await receiver.has_taken(note))["data"]
        told[kind, priority, to] = data.get("muted", False), (data.get("quiet_until") or "none")[11:16]
    assert told == {
        ("info", "low", "bob"): (True, end), ("error", "low", "bob"): (False, end),
        ("info", "critical", "bob"): (False, ""), ("info", "low", "eve"): (False, ""),
    }  # fmt: skip


async def test_only_what_the_file_asks_for_goes_out(rig: Rig, receiver: Receiver, tmp_path: Path) -> None:
    await started(rig, written(tmp_path, receiver.url, 'audiences = ["role.*"]\npriorities = ["critical"]'))
    await rig.send("calm")
    await rig.send("somebody else", to={"all": True}, priority="critical")
    wanted = await rig.send("wanted", priority="critical")
    await receiver.until(lambda: wanted["id"] in receiver.taken)
    assert list(receiver.tried) == [wanted["id"]]


async def test_a_receiver_that_fails_at_times_gets_everything(rig: Rig, receiver: Receiver, hooks: Path) -> None:
    """Two replicas; it refuses, redirects, and hangs up, before it takes a note."""
    receiver.answer = lambda attempt: (500, 302, 0, 429, 200)[attempt - 1]
    await started(rig, hooks, count=2)
    sent = {(await rig.send(f"note {number}"))["id"] for number in range(12)}
    await receiver.until(lambda: receiver.taken.keys() == sent)
    assert set(receiver.tried.values()) == {5}
    assert {path for path, _ in receiver.requests} == {"/in"}, "a redirect is not followed"
    assert (await rig.ok("dead_letters", {}))["letters"] == []


async def test_what_nobody_takes_is_put_aside_and_shown(rig: Rig, receiver: Receiver, hooks: Path) -> None:
    receiver.answer = lambda _: 503
    await started(rig, hooks, count=2, notify_webhook_attempts=3)
    lost = (await rig.send("lost"))["id"]
    await rig.until("log.notify.webhook.line.dead", bool)
    assert receiver.tried[lost] == 3
    receiver.answer = lambda _: 200
    found = (await rig.send("found"))["id"]
    await receiver.until(lambda: found in receiver.taken)
    (letter,) = (await rig.ok("dead_letters", {"webhook": "line"}))["letters"]
    assert (letter["id"], letter["title"], letter["attempts"], letter["error"]) == (lost, "lost", 3, "it answered 503")
    assert (await rig.ok("dead_letters", {"webhook": "another"}))["total"] == 0


async def put_aside(rig: Rig, receiver: Receiver, *titles: str) -> list[str]:
    """Their ids, once the webhook `line` has given them up."""
    receiver.answer = lambda _: 503
    ids = [(await rig.send(title))["id"] for title in titles]
    await rig.until("log.notify.webhook.line.dead", lambda facts: len(facts) == len(titles))
    receiver.answer = lambda _: 200
    return ids


async def test_what_was_put_aside_is_sent_again_when_somebody_asks_for_it(
    rig: Rig, receiver: Receiver, hooks: Path
) -> None:
    await started(rig, hooks, count=2, notify_webhook_attempts=1)
    lost, other = await put_aside(rig, receiver, "lost", "other")
    for _ in range(2):
        await rig.ok("dead_letters_resend", {"ids": [lost, "nothing"]}, op="op-1")
    await receiver.until(lambda: lost in receiver.taken)
    await handled(rig)
    assert (receiver.taken[lost]["data"]["title"], receiver.tried[lost]) == ("lost", 2)
    assert [letter["id"] for letter in (await rig.ok("dead_letters", {}))["letters"]] == [other]
    assert (await rig.ok("dead_letters_resend", {"ids": [lost], "webhook": "line"}))["ids"] == []
    refusal = await rig.call("dead_letters_resend", {"ids": [lost], "webhook": "another"})
    assert (refusal["code"], refusal["field"], refusal["known"]) == ("not_found", "webhook", ["line"])


async def test_what_nobody_takes_again_is_put_aside_again(rig: Rig, receiver: Receiver, hooks: Path) -> None:
    await started(rig, hooks, notify_webhook_attempts=2)
    (lost,) = await put_aside(rig, receiver, "lost")
    receiver.answer = lambda _: 500
    assert (await rig.ok("dead_letters_resend", {"ids": [lost]}))["ids"] == [lost]
    await rig.until("log.notify.webhook.line.dead", lambda facts: len(facts) == 2)
    (letter,) = (await rig.ok("dead_letters", {}))["letters"]
    assert (letter["id"], letter["error"], letter["attempts"]) == (lost, "it answered 500", 2)


async def test_what_is_to_be_sent_again_is_sent_by_whoever_starts_however_old_it_is(
    rig: Rig, receiver: Receiver, hooks: Path, tmp_path: Path
) -> None:
    settings = {"notify_webhooks_file": hooks, "notify_webhook_attempts": 1}
    async with rig.replica(**settings):
        await following(rig)
        old, erased = await put_aside(rig, receiver, "old", "erased")
    note = (await rig.facts("log.notify.role.nurse.note"))[-1]
    await rig.link.nc.jetstream().delete_msg("NOTIFY", note.seq)
    (tmp_path / "other").mkdir()
    vain = {"notify_webhooks_file": written(tmp_path / "other", f"http://127.0.0.1:{free_port()}/")}
    async with rig.replica(**vain, notify_webhook_attempts=1000, notify_webhook_backoff_s=0.05):
        assert (await rig.ok("dead_letters_resend", {"ids": [old, erased]}))["ids"] == [old, erased]
    async with rig.replica(**settings, notify_webhook_age_s=0.001):
        await receiver.until(lambda: old in receiver.taken)
        await handled(rig)
    assert receiver.tried[erased] == 1


async def test_what_has_expired_meanwhile_is_not_tried_again(rig: Rig, receiver: Receiver, hooks: Path) -> None:
    receiver.answer = lambda _: 500
    await started(rig, hooks, notify_webhook_attempts=1_000_000)
    note = (await rig.send("expires", expires_at=clock.iso(clock.now() + 8)))["id"]
    await receiver.until(lambda: receiver.tried[note])
    await handled(rig)
    assert (await rig.ok("dead_letters", {}))["letters"] == []


async def test_what_is_old_when_a_webhook_is_back_goes_nowhere(rig: Rig, receiver: Receiver, hooks: Path) -> None:
    async with rig.replica(notify_webhooks_file=hooks):
        await following(rig)
    async with rig.replica():
        await rig.send("old")
    await asyncio.sleep(1.1)
    async with rig.replica(notify_webhooks_file=hooks, notify_webhook_age_s=1.0):
        await handled(rig)
    assert not receiver.tried


async def test_a_receiver_that_wants_no_more_is_not_asked_again(rig: Rig, receiver: Receiver, hooks: Path) -> None:
    receiver.answer = lambda _: 410
    await started(rig, hooks)
    gone = (await rig.send("gone"))["id"]
    await rig.until("log.notify.webhook.line.dead", bool)
    assert receiver.tried[gone] == 1


async def test_a_file_that_changes_counts_at_once(rig: Rig, receiver: Receiver, hooks: Path) -> None:
    """Another address, another webhook beside it, and one less."""
    before, other = hooks.read_text(), f"http://127.0.0.1:{receiver.server_address[1]}/other"
    hooks.write_text(before.replace(receiver.url, f"http://127.0.0.1:{free_port()}/"))
    await started(rig, hooks, notify_webhook_attempts=1_000_000)
    first = (await rig.send("first"))["id"]
    hooks.write_text(before + before.replace("line", "more").replace(receiver.url, other))
    await receiver.until(lambda: first in receiver.taken)
    js = rig.link.nc.jetstream()
    async with asyncio.timeout(WITHIN_S):
        while "notify-to-more" not in {consumer.name for consumer in await js.consumers_info("NOTIFY")}:
            await asyncio.sleep(0.05)
    second = (await rig.send("second"))["id"]
    await receiver.until(lambda: {("/in", second), ("/other", second)} <= set(receiver.requests))
    hooks.write_text(before.replace("line", "more").replace(receiver.url, other))
    async with asyncio.timeout(WITHIN_S):
        while (await rig.call("dead_letters_resend", {"ids": ["x"], "webhook": "line"}))["status"] == "ok":
            await asyncio.sleep(0.05)
    third = (await rig.send("third"))["id"]
    await receiver.until(lambda: third in receiver.taken)
    assert [path for path, note in receiver.requests if note == third] == ["/other"]


async def test_nobody_listens_there(rig: Rig, tmp_path: Path) -> None:
    await started(rig, written(tmp_path, f"http://127.0.0.1:{free_port()}/"), notify_webhook_attempts=2)
    await rig.send("lost")
    (fact,) = await rig.until("log.notify.webhook.line.dead", bool)
    assert "refused" in fact.json()["error"]


async def test_what_is_sent_while_the_service_is_away_goes_out_when_it_is_back(
    rig: Rig, receiver: Receiver, hooks: Path
) -> None:
    """Nothing that was before the webhook, either."""
    async with rig.replica():
        await rig.send("before there was a webhook")
    async with rig.replica(notify_webhooks_file=hooks):
        await following(rig)
    async with rig.replica():
        sent = (await rig.send("away"))["id"]
    async with rig.replica(notify_webhooks_file=hooks):
        await receiver.until(lambda: receiver.taken)
    assert list(receiver.tried) == [sent]
