"""Cuts and failures, as a person sees them."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from playwright.async_api import expect

from confer_kit import access
from confer_kit.testing.browser import window
from confer_kit.testing.demo_portal import Desk, Office, desks
from confer_kit.testing.log import log_reader
from confer_kit.testing.ports import free_port
from confer_kit.testing.raw import raw_client
from confer_kit.testing.tcp_proxy import tcp_proxy

EVERYTHING = 'default = "allow"\n'
BEHIND = "a session will be resynchronised"

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.browser]


async def test_what_is_typed_without_a_connection_is_saved_when_it_is_back(office: Office) -> None:
    async with office.desks("offline", "Ann", "Bob") as (ann, bob):
        await ann.field("notes").press_sequentially("Before the cut")
        ann.window.excuse("ERR_INTERNET_DISCONNECTED")
        await ann.window.context.set_offline(True)
        await ann.field("notes").press_sequentially(", and after it")
        await expect(ann.get("status")).to_have_text("Reconnecting…")
        await expect(ann.get("state-notes")).to_have_text("not saved yet")
        await ann.field("iop_left").fill("21")
        await expect(ann.get("form-status")).to_contain_text("kept here until the connection is back")
        await bob.field("iop_right").fill("15")
        await bob.is_saved()
        await ann.window.context.set_offline(False)
        await ann.is_ready()
        await expect(bob.field("notes")).to_have_value("Before the cut, and after it")
        await expect(bob.field("iop_left")).to_have_value("21")
        await expect(ann.field("iop_right")).to_have_value("15")
        await expect(bob.activity("Before the cut, and after it")).to_have_count(1)
        await expect(bob.get("staff-badge")).to_have_count(2)


async def test_each_change_made_offline_is_decided_and_reported(office: Office) -> None:
    async with office.desks("report", "Ann", "Bob") as (ann, bob):
        await bob.field("referral").select_option("None")
        await bob.field("notes").fill("Calm.")
        await bob.is_saved()
        await expect(ann.field("notes")).to_have_value("Calm.")
        await expect(ann.field("referral")).to_have_value("None")
        ann.window.excuse("ERR_INTERNET_DISCONNECTED")
        await ann.window.context.set_offline(True)
        await ann.field("colour_vision").fill("14 / 14")
        await ann.field("notes").fill("Calm. No pain.")
        await ann.field("referral").select_option("Optometry")
        await expect(ann.get("form-status")).to_contain_text("3 changes are kept here")
        await bob.field("notes").fill("Very calm.")
        await bob.field("referral").select_option("Ophthalmology, routine")
        await bob.is_saved()
        await ann.window.context.set_offline(False)
        for field, became in {"colour_vision": "saved", "notes": "merged", "referral": "conflict"}.items():
            await expect(ann.reported(field)).to_have_attribute("data-became", became)
        for desk in (ann, bob):
            await expect(desk.field("notes")).to_have_value("Very calm. No pain.")
        await expect(ann.get("conflict-theirs")).to_have_text("Ophthalmology, routine")
        await ann.get("keep-mine").click()
        await expect(bob.field("referral")).to_have_value("Optometry")
        await ann.is_saved()
        await ann.get("report-close").click()
        await expect(ann.get("report")).to_have_count(0)


async def test_a_session_that_somebody_ends_is_told_and_may_come_back(office: Office) -> None:
    async with office.desks("ended", "Ann", "Bob") as (ann, bob), log_reader(office.system.nats.url) as log:
        await bob.get("live-toggle").uncheck()
        await bob.field("notes").fill("not saved yet")
        await access.kick(log.nc, "user", bob.person.user_id, actor="test", message="This desk is needed.")
        await expect(bob.get("ended-message")).to_have_text("This desk is needed.")
        await expect(bob.get("status")).to_have_text("Session ended")
        await expect(ann.badge(bob.person)).to_have_count(0)
        await bob.get("come-back").click()
        await expect(bob.get("status")).to_have_text("Connected")
        await expect(ann.badge(bob.person)).to_have_count(1)
        await bob.get("save-all").click()
        await expect(ann.field("notes")).to_have_value("not saved yet")


async def test_whose_access_is_revoked_is_told_and_has_no_way_back(office: Office) -> None:
    async with office.desks("revoked", "Ann", "Bob") as (ann, bob), log_reader(office.system.nats.url) as log:
        await access.revoke(log.nc, bob.person.user_id, actor="test")
        await expect(bob.get("ended")).to_contain_text("Your access has ended")
        await expect(bob.get("status")).to_have_text("Session ended")
        await expect(bob.get("come-back")).to_have_count(0)
        await expect(ann.badge(bob.person)).to_have_count(0)
        await bob.page.reload()
        await expect(bob.get("refusal")).to_be_visible()
        await expect(bob.get("status")).to_have_text("Connecting…")
        await access.restore(log.nc, bob.person.user_id, actor="test")
        await bob.is_ready()  # what was refused for good is tried again by hand
        await expect(bob.get("refusal")).to_have_count(0)
        await expect(ann.badge(bob.person)).to_have_count(1)


async def test_a_window_too_many_says_why_and_comes_in_when_there_is_room(office: Office) -> None:
    edge = await office.system.add_edge("few", CONFER_CONNECTIONS_PER_USER_MAX="1", CONFER_TURN_AWAY_S="0.5")
    await office.system.healthy("few")
    url = f"{office.system.url('few')}/demo/"
    async with desks(office.browser, url, "few", "Ann") as (first,), window(office.browser) as opened:
        second = Desk(opened, first.person)
        opened.excuse("429")  # by polling
        await second.go_to(url, "few")
        await expect(second.get("refusal")).to_contain_text("connections: a user may have 1 at most")
        await expect(second.get("status")).not_to_have_text("Connected")
        await first.page.close()
        await second.is_ready()
        await expect(second.get("refusal")).to_have_count(0)
    await edge.stop()


async def test_a_window_that_fell_behind_is_brought_up_to_date(office: Office) -> None:
    """Nothing gets through to it while so much is written that the edge gives up keeping it."""
    port, patient = free_port(), "behind"
    async with tcp_proxy(port) as line:
        edge = await office.system.add_edge(
            "narrow", CONFER_PORT=str(port), CONFER_PUBLIC_ORIGINS=line.url, CONFER_UNSENT_BYTES_MAX="262144",
            CONFER_SLOW_CLIENT_S="300", CONFER_PING_TIMEOUT_S="300",
        )  # fmt: skip
        await office.system.healthy("narrow")
        writer = raw_client(office.system.url(), {"user_id": "writer"})
        async with desks(office.browser, f"{line.url}/demo/", patient, "Ann") as (ann,), writer as raw:
            await ann.field("iop_left").fill("11")
            await ann.is_saved()
            assert (await raw.call("join_patient_room", {"patient_id": patient}))["status"] == "ok"
            line.black_hole()
            wide = 0
            while BEHIND not in edge.log:
                wide += 1
                assert wide < 1000, "it never fell behind"
                update = {"patient_id": patient, "field": "picture", "value": [wide, "x" * 50_000]}
                assert (await raw.call("field_update", update))["status"] == "ok"
            notes = {"patient_id": patient, "field": "notes", "value": "Written while nobody could see it."}
            assert (await raw.call("field_update", notes))["status"] == "ok"
            line.mend()
            await expect(ann.toast("Brought up to date")).to_be_visible()
            await expect(ann.field("notes")).to_have_value(notes["value"])
            await expect(ann.field("iop_left")).to_have_value("11")
            await expect(ann.get("status")).to_have_text("Connected")
            await ann.field("iop_left").fill("12")
            await ann.is_saved()
        await edge.stop()


async def test_a_right_that_ends_closes_the_record_and_the_queue(office: Office, tmp_path: Path) -> None:
    policy, fresh = tmp_path / "policy.toml", tmp_path / "policy.new"
    policy.write_text(EVERYTHING)
    edge = await office.system.add_edge("ruled", CONFER_POLICY_FILE=str(policy))
    await office.system.healthy("ruled")
    async with desks(office.browser, f"{office.system.url('ruled')}/demo/", "rights", "Ann", "Bob") as (ann, bob):
        await expect(ann.get("staff-badge")).to_have_count(2)
        mine = f'users = ["{bob.person.user_id}"]\naudiences = ["room.*", "queue.*"]\n'
        fresh.write_text(f'{EVERYTHING}[[rules]]\n{mine}effect = "deny"\n')
        fresh.replace(policy)
        await expect(bob.get("record-closed")).to_be_visible()
        await expect(bob.get("queue-closed")).to_be_visible()
        await expect(bob.field("notes")).to_be_disabled()
        await expect(ann.badge(bob.person)).to_have_count(0)
        fresh.write_text(EVERYTHING)
        read = edge.log.count("the policy file")
        fresh.replace(policy)
        await office.until(lambda: edge.log.count("the policy file") > read)
        await bob.get("ask-again").click()
        await expect(bob.get("record-closed")).to_have_count(0)
        await expect(bob.field("notes")).to_be_enabled()
        await expect(ann.badge(bob.person)).to_have_count(1)
    await edge.stop()


async def test_the_edge_is_killed_while_somebody_types(office: Office) -> None:
    async with office.desks("edge-killed", "Ann", "Bob") as (ann, bob):
        for desk in (ann, bob):
            desk.window.excuse("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE")
        await ann.field("notes").press_sequentially("One ")
        await office.system.processes["edge"].kill()
        await ann.field("notes").press_sequentially("sentence")
        await expect(ann.get("status")).to_have_text("Reconnecting…")
        await expect(ann.get("state-notes")).to_have_text("not saved yet")
        await office.system.restart("edge")
        for desk in (ann, bob):
            await desk.is_ready()
            await expect(desk.field("notes")).to_have_value("One sentence")
            await expect(desk.get("staff-badge")).to_have_count(2)
        await expect(bob.activity("One sentence")).to_have_count(1)


async def _type(ann: Desk) -> None:
    await ann.field("notes").fill("kept")
    await expect(ann.get("state-notes")).to_have_text("not saved yet")


async def _saved(ann: Desk, bob: Desk) -> None:
    await ann.is_saved()
    await expect(bob.field("notes")).to_have_value("kept")


async def _focus(ann: Desk) -> None:
    await ann.field("notes").focus()


async def _seen_editing(ann: Desk, bob: Desk) -> None:
    await expect(bob.get("editing-notes")).to_contain_text("Ann")


async def _call_next(ann: Desk) -> None:
    await ann.get("call-next").click()
    await expect(ann.toast("Nobody was called")).to_be_visible()


async def _queue_works(ann: Desk, bob: Desk) -> None:
    await ann.enqueue("q-again", "normal")
    await expect(bob.row("q-again")).to_be_visible()
    await bob.do("q-again", "row-cancel")
    await expect(ann.row("q-again")).to_have_count(0)


async def _tell(ann: Desk) -> None:
    await ann.get("bell").click()
    await ann.tell("room", "", "Tea is ready")
    await expect(ann.toast("Not sent")).to_be_visible()


async def _tell_again(ann: Desk, bob: Desk) -> None:
    await ann.get("compose-send").click()  # what was written is still there
    await expect(bob.toast("Tea is ready")).to_be_visible()


@pytest.mark.parametrize(
    ("service", "panel", "tried", "works_again"),
    [
        ("sync-svc", "form", _type, _saved),
        ("presence-svc", "collaboration", _focus, _seen_editing),
        ("queue-svc", "queue", _call_next, _queue_works),
        ("notify-svc", "inbox", _tell, _tell_again),
    ],
)
async def test_a_panel_whose_service_is_away_says_so_and_recovers(
    office: Office, service: str, panel: str, tried: Callable[[Desk], Awaitable[None]],
    works_again: Callable[[Desk, Desk], Awaitable[None]],
) -> None:  # fmt: skip
    async with office.desks(service, "Ann", "Bob") as (ann, bob):
        await office.system.processes[service].kill()
        await tried(ann)
        note = ann.get(f"{panel}-unavailable")
        await expect(note).to_contain_text("Temporarily unavailable")
        await expect(ann.get("status")).to_have_text("Connected")
        await office.system.restart(service)
        await expect(note).to_have_count(0)
        await works_again(ann, bob)
