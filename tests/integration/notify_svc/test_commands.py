"""`confer notify` and `confer rules`, as operators type them, against a real service."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from confer_kit.testing.command import confer

Rig = Any  # of conftest
pytestmark = pytest.mark.timeout(600)  # each command is a process of its own, which takes its time to begin
RULES = '[[rules]]\nname = "called"\nwhen = "ticket_called"\nto = ["role:nurse"]\ntitle = "{patient_id} is called"\n'


async def notify(rig: Rig, *arguments: str, actor: str = "olga") -> tuple[int, str, str]:
    return await confer("notify", *arguments, "--nats-url", rig.settings.nats_url, "--actor", actor)


async def test_an_operator_tells_people_something_once(rig: Rig) -> None:
    await rig.replicas(1)
    more = ("--message", "Use the stairs", "--type", "warning", "--priority", "high", "--data", '{"floor": 2}')
    for _ in range(2):
        code, out, err = await notify(rig, "send", "Lift", "--to", "role:nurse", *more, "--op", "op-1", "--json")
        assert (code, err) == (0, "")
        told = json.loads(out)
    (fact,) = await rig.facts("log.notify.role.nurse.note")
    note = fact.json()
    assert (note["id"], note["title"], note["message"], note["type"], note["priority"], note["data"]) == (
        told["id"], "Lift", "Use the stairs", "warning", "high", {"floor": 2},
    )  # fmt: skip
    assert (fact.actor, note["from_user"]) == ("olga", "olga")


@pytest.mark.parametrize(
    ("to", "audience"),
    [("all", "all.all"), ("user:ก", "user.=E0=B8=81"), ("topic:a:b", "topic.a=3Ab"),
     ("patient:p 1", "room.p=201"), ("staff:eyes", "staff.eyes")],
)  # fmt: skip
async def test_to_whom(rig: Rig, to: str, audience: str) -> None:
    await rig.replicas(1)
    code, out, err = await notify(rig, "send", "x", "--to", to)
    assert (code, err) == (0, "")
    assert out.startswith("notification ")
    assert len(await rig.facts(f"log.notify.{audience}.note")) == 1


async def test_later_listed_and_cancelled(rig: Rig) -> None:
    await rig.replicas(1)
    assert await notify(rig, "scheduled") == (0, "nothing waits\n", "")
    _, out, _ = await notify(rig, "send", "Round", "--to", "role:nurse", "--in", "3600", "--json")
    told = json.loads(out)
    assert told["at"]
    code, out, _ = await notify(rig, "scheduled")
    assert (code, out.splitlines()[0].split()) == (0, ["at", "to", "priority", "title", "id"])
    assert told["id"] in out
    assert (await notify(rig, "cancel", told["id"], actor="other"))[0] == 1
    assert await notify(rig, "cancel", told["id"]) == (0, f"notification {told['id']} is cancelled\n", "")
    assert (await notify(rig, "scheduled", "--json"))[1] == "[]\n"


async def test_until_somebody_acknowledges(rig: Rig) -> None:
    await rig.replicas(1)
    plan = ("--must-ack", "--repeat-s", "1", "--repeats", "0", "--escalate-to", "role:doctor")
    code, _, err = await notify(rig, "send", "Alarm", "--to", "user:bob", *plan)
    assert (code, err) == (0, "")
    (copy,) = await rig.until("log.notify.role.doctor.note", bool)
    assert copy.json()["title"] == "Alarm"


async def test_what_webhooks_did_not_take_is_shown(rig: Rig) -> None:
    await rig.replicas(1)
    assert await notify(rig, "dead") == (0, "webhooks took everything so far\n", "")
    assert (await notify(rig, "dead", "--json", "--webhook", "line"))[1] == "[]\n"


async def test_what_webhooks_did_not_take_is_sent_again(rig: Rig, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"whsec_{'A' * 32}")
    hooks = tmp_path / "hooks.toml"
    hooks.write_text(f'[[webhooks]]\nname="line"\nurl="http://127.0.0.1:1/"\nsecret_file="{tmp_path / "secret"}"\n')
    await rig.replicas(1, notify_webhooks_file=hooks, notify_webhook_attempts=1)
    async with asyncio.timeout(60):
        while not await rig.link.nc.jetstream().consumers_info("NOTIFY"):
            await asyncio.sleep(0.05)
    _, out, _ = await notify(rig, "send", "lost", "--to", "all", "--group", "g", "--dedupe", "d", "--json")
    note = json.loads(out)["id"]
    await rig.until("log.notify.webhook.line.dead", bool)
    assert await notify(rig, "resend", note, "none") == (0, "1 on their way again; not aside: none\n", "")
    await rig.until("log.notify.webhook.line.dead", lambda facts: len(facts) == 2)
    assert await notify(rig, "resend", "--all", "--webhook", "line") == (0, "1 on their way again\n", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("send", "x", "--to", "nurse"), "'nurse': must be all, or one of user:<id>, "),
        (("send", "x", "--to", "user:" + "y" * 200), "'user:yyyyyyy"),
        (("send", "", "--to", "all"), "title: String should have at least 1 character"),
        (("send", "x", "--to", "all", "--at", "2020-01-01"), "at: must be in the future"),
        (("send", "x", "--to", "all", "--at", "soon"), "'soon' is no date and time as of ISO 8601"),
        (("send", "x", "--to", "all", "--in", "5", "--at", "2020-01-01"), "at and in_s cannot both be given"),
        (("send", "x", "--to", "all", "--data", "{"), "--data is not JSON"),
        (("send", "x", "--to", "all", "--data", "[]"), "data: Input should be a valid dictionary"),
        (("send", "x", "--to", "all", "--repeats", "1"), "--repeat-s, --repeats and --escalate-to go with --must-ack."),
        (("send", "x", "--to", "patient:p", "--must-ack"), "must_acknowledge: notes to a patient's room"),
        (("send", "x", "--to", "all", "--expires", "2020-01-01"), "expires_at: must not be in the past"),
        (("resend",), "Name the notifications to send again, or --all of them."),
        (("resend", "x", "--webhook", "none"), "webhook: there is none of this name; there are none"),
        (("cancel", "nothing"), "id: no such note of yours"),
    ],
)
async def test_what_cannot_be_is_one_sentence(rig: Rig, arguments: tuple[str, ...], said: str) -> None:
    await rig.replicas(1)
    code, out, err = await notify(rig, *arguments)
    assert (code, out) == (1, "")
    assert err.startswith(f"confer: {said}")
    assert len(err.splitlines()) == 1
    assert await rig.facts("log.notify.*.*.*") == []


async def test_rules_are_checked_without_a_service(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(RULES)
    code, out, err = await confer("rules", "check", str(file))
    assert (code, err) == (0, "")
    assert out.splitlines()[1].split()[:3] == ["called", "ticket_called", "role:nurse"]
    _, out, _ = await confer("rules", "check", str(file), "--json")
    assert json.loads(out)[0]["to"] == ["role:nurse"]
    file.write_text(RULES.replace("{patient_id}", "{patient}"))
    code, out, err = await confer("rules", "check", str(file))
    assert (code, out) == (1, "")
    assert err.startswith(f"confer: {file}: rule 1, title: ticket_called has no member 'patient'; there are actor, ")
    assert (await confer("rules", "check", "/nowhere"))[2] == (
        "confer: /nowhere cannot be read: No such file or directory.\n"
    )  # fmt: skip
