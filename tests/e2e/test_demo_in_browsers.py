"""Two people in two Chromium windows on the demo portal: what one does, the other sees; cuts and failures too.

Every window must end without a console error, an exception, a failed or a refused request; what a deliberate cut
causes is excused where the cut is made.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Route, expect

from confer_kit import access
from confer_kit.testing import System, running_system
from confer_kit.testing.browser import chromium, window
from confer_kit.testing.demo_portal import Desk, desks
from confer_kit.testing.log import log_reader
from confer_ops.checkout import root
from confer_ops.demo import Demo

AWAY_AFTER_S = 8
EVERYTHING = 'default = "allow"\n'

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.browser]


@dataclass(frozen=True)
class Office:
    """The running system, and a browser to look at it."""

    system: System
    browser: Browser

    @property
    def url(self) -> str:
        return f"{self.system.url()}/demo/"

    def desks(self, patient: str, *names: str) -> AbstractAsyncContextManager[list[Desk]]:
        return desks(self.browser, self.url, patient, *names)

    @staticmethod
    async def until(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
def pages() -> Path:
    """The built demo portal."""
    demo = Demo(root())
    if not demo.current:
        demo.build()
    return demo.dist


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(pages: Path) -> AsyncIterator[Office]:
    settings = {
        "CONFER_DEMO_DIR": str(pages), "CONFER_SYNC_SCHEMAS": str(Demo(root()).forms),
        "CONFER_PRESENCE_AWAY_AFTER_S": str(AWAY_AFTER_S), "CONFER_DROP_GRACE_S": "2",
    }  # fmt: skip
    async with running_system(**settings) as system, chromium() as browser:
        yield Office(system, browser)


async def differ(ann: Desk, bob: Desk, field: str, mine: str, theirs: str) -> None:
    """Ann chooses while she does not share; Bob is first; Ann saves, and is asked."""
    await ann.get("live-toggle").uncheck()
    await ann.field(field).select_option(mine)
    await bob.field(field).select_option(theirs)
    await expect(ann.get(f"meanwhile-{field}")).to_contain_text(theirs)
    await ann.get("live-toggle").check()
    await ann.get("save-all").click()
    await expect(ann.get("conflict")).to_be_visible()


# --- the beginning ------------------------------------------------------------------------------------------


async def test_the_start_page_opens_a_record_which_a_reload_keeps(office: Office) -> None:
    async with window(office.browser) as opened:
        page, see = opened.page, opened.page.get_by_test_id
        answer = asyncio.Event()

        async def late(route: Route) -> None:
            await answer.wait()
            await route.continue_()

        await page.route("**/socket.io/**", late)
        await page.goto(office.url.removesuffix("/"))
        await see("who-u-sarah").click()
        await see("patient-P-1002").click()
        await see("open").click()
        await expect(see("status")).to_have_text("Connecting…")
        answer.set()
        await expect(see("status")).to_have_text("Connected")
        await page.unroute("**/socket.io/**")
        await page.reload()
        await expect(see("status")).to_have_text("Connected")
        await expect(see("me")).to_contain_text("Sarah Miller")
        await expect(see("patient")).to_contain_text("Noi Chaiyasit")


async def test_anybody_can_come_to_any_patient(office: Office) -> None:
    async with window(office.browser) as opened:
        see = opened.page.get_by_test_id
        await opened.page.goto(office.url)
        await see("who-custom").click()
        await see("custom-name").fill("ใหม่ มาแล้ว")
        await see("custom-role").select_option("technician")
        await see("patient-custom").click()
        await see("custom-patient").fill("HN ๔๒.>*")
        await see("open").click()
        await expect(see("status")).to_have_text("Connected")
        await expect(see("patient")).to_contain_text("HN ๔๒.>*")
        await expect(see("staff-badge")).to_contain_text("ใหม่ มาแล้ว")


# --- together -----------------------------------------------------------------------------------------------


async def test_two_people_see_each_other_come_move_rest_and_leave(office: Office) -> None:
    async with office.desks("roster", "Ann", "Bob") as (ann, bob):
        for desk in (ann, bob):
            await expect(desk.get("staff-badge")).to_have_count(2)
        await ann.get("step-2").click()
        await bob.get("step-4").click()
        await expect(bob.badge(ann.person)).to_contain_text("Visual acuity")
        for desk in (ann, bob):
            await expect(desk.get("staff-count")).to_have_text("2")
        await expect(ann.badge(bob.person).get_by_test_id("badge-status")).to_have_text("away")
        await bob.move_the_mouse()
        await expect(ann.badge(bob.person).get_by_test_id("badge-status")).to_have_text("active")
        await bob.page.close()
        await expect(ann.badge(bob.person)).to_have_count(0)
        await expect(ann.get("staff-badge")).to_have_count(1)


async def test_nobody_flickers_when_a_page_is_loaded_again(office: Office) -> None:
    """Bob is at an edge that is patient, so that a slow machine does not end his time."""
    patient_edge = await office.system.add_edge("patient", CONFER_DROP_GRACE_S="120", CONFER_LEAVE_GRACE_S="120")
    await office.system.healthy("patient")
    elsewhere = desks(office.browser, f"{office.system.url('patient')}/demo/", "flicker", "Bob")
    async with office.desks("flicker", "Ann") as (ann,), elsewhere as (bob,):
        await expect(ann.get("staff-badge")).to_have_count(2)
        await ann.count_moments(f'[data-testid="staff-badge"][data-user="{bob.person.user_id}"]', there=False)
        for text in ("once", "twice"):
            await bob.page.reload()
            await bob.is_ready()
            await bob.get("step-1").click()
            await bob.field("colour_vision").fill(text)
            await expect(ann.field("colour_vision")).to_have_value(text)  # later than all that the reload did
        await expect(ann.badge(bob.person)).to_contain_text("History")
        assert await ann.moments() == 0
    await patient_edge.stop()


async def test_a_roster_that_is_not_sure_says_so(office: Office) -> None:
    """The edge at which Bob is stands still: first that is doubt, then he is gone, then he is back."""
    edge = await office.system.add_edge("frozen")
    await office.system.healthy("frozen")
    elsewhere = desks(office.browser, f"{office.system.url('frozen')}/demo/", "stale", "Bob")
    async with office.desks("stale", "Ann") as (ann,), elsewhere as (bob,):
        await expect(ann.get("staff-badge")).to_have_count(2)
        await expect(ann.get("roster-stale")).to_have_count(0)
        await ann.count_moments('[data-testid="roster-stale"]', there=True)
        edge.freeze()
        try:
            await ann.has_had_a_moment()
            await expect(ann.badge(bob.person)).to_have_count(0, timeout=60_000)
        finally:
            edge.thaw()
        await expect(ann.badge(bob.person)).to_have_count(1, timeout=60_000)
        await expect(ann.get("roster-stale")).to_have_count(0)
    await edge.stop()


async def test_who_is_here_in_detail(office: Office) -> None:
    async with office.desks("details", "Ann", "Bob") as (ann, bob), office.desks("details", "Bob") as (_,):
        await bob.move_the_mouse()
        await ann.get("people-open").click()
        person = ann.page.locator(f'[data-testid="person"][data-user="{bob.person.user_id}"]')
        await expect(person).to_contain_text("2 windows")
        await expect(person).to_contain_text("here since")
        await ann.page.keyboard.press("Escape")
        await expect(ann.get("people")).to_have_count(0)


async def test_a_field_is_locked_taken_over_and_given_back(office: Office) -> None:
    async with office.desks("lock", "Ann", "Bob") as (ann, bob):
        await ann.get("lock-notes").click()
        await expect(ann.get("locked-notes")).to_have_text("Locked by you")
        await expect(bob.get("locked-notes")).to_have_text("Ann has locked it")
        await expect(bob.field("notes")).not_to_be_editable()
        await ann.field("notes").fill("mine alone")
        await expect(bob.field("notes")).to_have_value("mine alone")

        await bob.get("lock-notes").click()
        await expect(bob.get("takeover")).to_contain_text("Ann")
        await bob.get("takeover-leave").click()
        await expect(ann.get("locked-notes")).to_have_text("Locked by you")
        await bob.get("lock-notes").click()
        await bob.get("takeover-confirm").click()
        await expect(bob.get("locked-notes")).to_have_text("Locked by you")
        await expect(ann.toast("Bob has taken over the lock")).to_be_visible()
        await expect(ann.field("notes")).not_to_be_editable()
        await expect(bob.field("notes")).to_be_editable()
        await expect(ann.activity("took over the lock of Notes")).to_have_count(1)

        await bob.get("lock-notes").click()
        await expect(ann.get("locked-notes")).to_have_count(0)
        await expect(ann.field("notes")).to_be_editable()


async def test_what_one_types_the_other_reads_with_the_author(office: Office) -> None:
    async with office.desks("typing", "Ann", "Bob") as (ann, bob):
        await ann.field("notes").press_sequentially("Cornea clear")
        await expect(bob.get("editing-notes")).to_have_text("AAnn is editing")
        await expect(bob.field("notes")).to_have_value("Cornea clear")
        await expect(bob.get("flash-notes")).to_be_attached()
        await ann.field("acuity_right").select_option("6/12")
        await ann.field("glasses-yes").check()
        await expect(bob.get("editing-notes")).to_have_count(0)
        await expect(bob.get("by-notes")).to_contain_text("Ann")
        await expect(ann.get("by-notes")).to_contain_text("you")
        await expect(bob.field("glasses-yes")).to_be_checked()
        await bob.page.reload()
        await bob.is_ready()
        await expect(bob.field("acuity_right")).to_have_value("6/12")
        await expect(bob.field("notes")).to_have_value("Cornea clear")
        await expect(bob.get("editing-glasses")).to_contain_text("Ann is editing")


async def test_both_are_told_who_wrote_over_what_and_either_can_put_it_back(office: Office) -> None:
    async with office.desks("overwrite", "Ann", "Bob") as (ann, bob):
        await ann.get("live-toggle").uncheck()
        await ann.field("iop_right").fill("17")
        await bob.field("iop_right").fill("16")
        await expect(ann.get("meanwhile-iop_right")).to_contain_text("Bob wrote “16” meanwhile")
        await expect(ann.field("iop_right")).to_have_value("17")
        await ann.get("save-all").click()
        await expect(ann.toast("you wrote over Bob’s value")).to_contain_text("Bob: “16”. Yours is shown: “17”.")
        told = bob.toast("Ann wrote over yours")
        await expect(told).to_contain_text("Yours: “16”. Ann’s is shown: “17”.")
        await expect(bob.field("iop_right")).to_have_value("17")
        await told.get_by_test_id("toast-offer").click()
        for desk in (ann, bob):
            await expect(desk.field("iop_right")).to_have_value("16")
        await expect(ann.activity("restored Pressure, right to “16” (was “17”)")).to_have_count(1)

        await bob.field("iop_right").fill("18")
        await expect(ann.field("iop_right")).to_have_value("18")
        await bob.is_saved()
        await expect(bob.get("toast").filter(has_text="wrote over")).to_have_count(0)  # based on what Bob saw


async def test_a_conflict_shows_both_values_and_waits_for_a_decision(office: Office) -> None:
    """Three times: mine, theirs, and put off; until then nothing of it is saved or lost."""
    async with office.desks("conflict", "Ann", "Bob") as (ann, bob):
        await bob.field("referral").select_option("None")
        await expect(ann.field("referral")).to_have_value("None")
        await differ(ann, bob, "referral", "Optometry", "Ophthalmology, urgent")
        await expect(ann.get("conflict-mine")).to_have_text("Optometry")
        await expect(ann.get("conflict-theirs")).to_have_text("Ophthalmology, urgent")
        await expect(ann.get("conflict")).to_contain_text("Bob")
        await expect(ann.get("conflict-merged")).to_have_count(0)
        await ann.page.keyboard.press("Escape")
        await expect(ann.get("conflict")).to_have_count(0)
        await expect(ann.field("referral")).to_have_value("Optometry")
        await expect(ann.get("form-status")).to_have_text("1 change needs your decision.")
        await expect(bob.field("referral")).to_have_value("Ophthalmology, urgent")
        await ann.get("choose-referral").click()
        await ann.get("keep-mine").click()
        await expect(bob.field("referral")).to_have_value("Optometry")
        await ann.is_saved()

        await differ(ann, bob, "referral", "None", "Ophthalmology, routine")
        await ann.get("keep-theirs").click()
        await expect(ann.field("referral")).to_have_value("Ophthalmology, routine")
        await ann.is_saved()


async def test_a_text_that_both_change_is_put_together(office: Office) -> None:
    """In two places: by itself. In one place: by hand, from a proposal that has both."""
    async with office.desks("merge", "Ann", "Bob") as (ann, bob):
        await bob.field("notes").fill("Left eye red. Right eye clear.")
        await expect(ann.field("notes")).to_have_value("Left eye red. Right eye clear.")
        await bob.is_saved()
        await ann.get("live-toggle").uncheck()
        await ann.field("notes").fill("Left eye very red. Right eye clear.")
        await bob.field("notes").fill("Left eye red. Right eye clear. Seen at noon.")
        await expect(ann.get("meanwhile-notes")).to_contain_text("Seen at noon")
        await ann.get("save-all").click()
        for desk in (ann, bob):
            await expect(desk.field("notes")).to_have_value("Left eye very red. Right eye clear. Seen at noon.")
        await ann.is_saved()
        await ann.toast("Notes: put together").get_by_test_id("toast-offer").click()
        await expect(ann.versions().first).to_contain_text("put together")
        await ann.get("history-close").click()

        await ann.field("notes").fill("Left eye pale.")
        await bob.field("notes").fill("Left eye swollen.")
        await expect(ann.get("meanwhile-notes")).to_contain_text("swollen")
        await ann.get("save-all").click()
        await expect(ann.get("conflict-merged")).to_have_value("Left eye swollen pale.")
        await ann.get("conflict-merged").fill("Left eye swollen, pale.")
        await ann.get("keep-merged").click()
        await ann.get("save-all").click()
        await ann.is_saved()
        await expect(bob.field("notes")).to_have_value("Left eye swollen, pale.")


async def test_typing_goes_on_while_another_writes_in_the_same_text(office: Office) -> None:
    async with office.desks("both-type", "Ann", "Bob") as (ann, bob):
        await bob.field("notes").fill("First line.\n\nLast line.")
        await expect(ann.field("notes")).to_have_value("First line.\n\nLast line.")
        await bob.is_saved()
        await ann.field("notes").evaluate("field => { field.focus(); field.setSelectionRange(11, 11); }")
        await ann.field("notes").press_sequentially(" Ann was here.")
        await bob.field("notes").press("ControlOrMeta+End")
        await bob.field("notes").press_sequentially(" Bob too.")
        await expect(ann.field("notes")).to_have_value("First line. Ann was here.\n\nLast line. Bob too.")
        await ann.field("notes").press_sequentially(" Twice.")  # where her caret was, though the text around it grew
        for desk in (ann, bob):
            both = "First line. Ann was here. Twice.\n\nLast line. Bob too."
            await expect(desk.field("notes")).to_have_value(both)
            await desk.is_saved()


async def test_a_value_that_breaks_a_rule_says_so_at_its_field_and_stays(office: Office) -> None:
    async with office.desks("rules", "Ann", "Bob") as (ann, bob):
        await ann.field("iop_left").fill("high")
        await expect(ann.get("problem-iop_left")).to_contain_text("must be a number from 0 to 99")
        await expect(ann.field("iop_left")).to_have_value("high")
        await expect(ann.field("iop_left")).to_have_attribute("aria-invalid", "true")
        await ann.field("iop_left").fill("21")
        await expect(bob.field("iop_left")).to_have_value("21")
        await expect(ann.get("problem-iop_left")).to_have_count(0)
        await ann.is_saved()


async def test_every_version_is_kept_and_can_be_brought_back(office: Office) -> None:
    async with office.desks("history", "Ann", "Bob") as (ann, bob):
        await ann.field("notes").fill("Cornea clear.")
        await expect(bob.field("notes")).to_have_value("Cornea clear.")
        await bob.field("notes").fill("Cornea not clear.")
        await expect(ann.field("notes")).to_have_value("Cornea not clear.")
        await ann.get("history-notes").click()
        await expect(ann.versions()).to_have_count(2)
        newest, oldest = ann.versions().nth(0), ann.versions().nth(1)
        await expect(newest).to_contain_text("Bob")
        await expect(newest.locator("ins")).to_have_text(re.compile("^ ?not ?$"))
        await expect(oldest).to_contain_text("You")
        await ann.get("restore-1").click()
        await expect(ann.versions()).to_have_count(3)
        await expect(ann.versions().first).to_contain_text("version 1 again")
        await expect(bob.field("notes")).to_have_value("Cornea clear.")
        await ann.page.keyboard.press("Escape")
        await expect(ann.get("history")).to_have_count(0)
        await expect(ann.get("history-notes")).to_be_focused()


async def test_save_all_is_one_commit(office: Office) -> None:
    async with office.desks("save-all", "Ann", "Bob") as (ann, bob):
        await ann.get("live-toggle").uncheck()
        await ann.field("iop_right").fill("16")
        await ann.field("iop_left").fill("17")
        await ann.field("referral").select_option("Optometry")
        await expect(ann.get("form-status")).to_have_text("3 changes are not saved yet.")
        await expect(bob.field("iop_right")).to_have_value("")
        await ann.get("save-all").click()
        await ann.is_saved()
        for name, value in {"iop_right": "16", "iop_left": "17", "referral": "Optometry"}.items():
            await expect(bob.field(name)).to_have_value(value)
        await expect(bob.activity("saved 3 fields together")).to_have_count(1)


async def test_workflow_steps(office: Office) -> None:
    async with office.desks("steps", "Ann", "Bob") as (ann, bob):
        await ann.get("step-3").click()
        await expect(bob.get("step-3")).to_have_attribute("data-status", "in_progress")
        await expect(bob.get("step-3")).to_contain_text("A")  # Ann's badge is there
        await ann.get("step-status").select_option("blocked")
        await expect(bob.get("step-3")).to_contain_text("Blocked")
        await bob.page.reload()
        await bob.is_ready()
        await expect(bob.get("step-3")).to_have_attribute("data-status", "blocked")
        await expect(bob.activity("marked Tonometry as blocked")).to_have_count(1)


async def test_activity_says_who_did_what_with_the_trace(office: Office) -> None:
    async with office.desks("activity", "Ann", "Bob") as (ann, bob):
        await ann.field("colour_vision").fill("14 / 14")
        row = bob.activity("set Colour vision to “14 / 14”")
        await expect(row).to_contain_text("Ann")
        await expect(row.locator("code")).to_have_attribute("title", re.compile("^Trace [0-9a-f]{32}$"))
        await expect(ann.activity("set Colour vision")).to_contain_text("You")
        await expect(bob.activity("came in")).to_have_count(2)


async def test_a_narrow_window_shows_all_and_the_keyboard_reaches_it(office: Office) -> None:
    async with office.desks("narrow", "Ann", "Bob") as (ann, bob):
        await ann.page.set_viewport_size({"width": 360, "height": 740})
        await bob.field("notes").press_sequentially("Seen.")
        await expect(ann.field("notes")).to_have_value("Seen.")
        await expect(ann.get("editing-notes")).to_be_visible()
        assert await ann.page.evaluate("document.documentElement.scrollWidth") <= 360
        await ann.get("history-notes").focus()
        await ann.page.keyboard.press("Enter")
        await expect(ann.versions()).to_have_count(1)
        await ann.page.keyboard.press("Escape")
        await expect(ann.get("history-notes")).to_be_focused()
        await ann.get("live-toggle").focus()
        await ann.page.keyboard.press("Tab")  # the first of the fields: its lock, then its input
        await expect(ann.get("lock-acuity_right")).to_be_focused()
        await ann.page.keyboard.press("Enter")
        await expect(bob.get("locked-acuity_right")).to_have_text("Ann has locked it")


async def test_activity_by_kind_and_person(office: Office) -> None:
    async with office.desks("filter", "Ann", "Bob") as (ann, bob):
        await ann.field("colour_vision").fill("13 / 14")
        await ann.is_saved()
        await bob.get("step-2").click()
        await expect(ann.activity("moved to Visual acuity")).to_have_count(1)
        await ann.get("activity-kind").select_option("field")
        await expect(ann.get("activity-row")).to_have_count(1)
        await expect(ann.activity("13 / 14")).to_have_count(1)
        await ann.get("activity-kind").select_option("")
        await ann.get("activity-user").select_option(label="Bob")
        await expect(ann.activity("moved to Visual acuity")).to_have_count(1)
        await expect(ann.activity("13 / 14")).to_have_count(0)
        await ann.get("activity-user").select_option("")
        await ann.get("activity-kind").select_option("step")
        await ann.get("activity-when").select_option("1")
        await expect(ann.get("activity-row")).to_have_count(1)


# --- the queue ----------------------------------------------------------------------------------------------


async def test_the_queue_is_one_for_everybody(office: Office) -> None:
    """Bob calls, serves and gives back; he opens another record and still sees the queue."""
    async with office.desks("reception", "Ann", "Bob") as (ann, bob):
        await ann.enqueue("q-normal", "normal")
        await ann.enqueue("q-high", "high")
        await expect(bob.row("q-normal")).to_contain_text("2")
        await expect(bob.get("queue-row").first).to_have_attribute("data-patient", "q-high")

        await bob.get("call-next").click()
        await expect(ann.row("q-high")).to_have_attribute("data-status", "called")
        await expect(ann.row("q-high").get_by_test_id("queue-staff")).to_contain_text("Bob")
        await bob.get("claim-start").click()
        await expect(ann.row("q-high")).to_have_attribute("data-status", "serving")
        await bob.get("claim-done").click()
        await expect(ann.row("q-high")).to_have_count(0)
        await expect(bob.get("claim")).to_have_count(0)

        await bob.get("call-next").click()
        await expect(ann.row("q-normal")).to_have_attribute("data-status", "called")
        await bob.get("claim-return").click()
        await expect(ann.row("q-normal")).to_have_attribute("data-status", "waiting")
        await expect(ann.row("q-normal").get_by_test_id("queue-staff")).to_have_text("")

        await bob.row("q-normal").get_by_role("button", name="q-normal", exact=True).click()
        await expect(bob.get("patient")).to_contain_text("No. 1 in the queue")
        await expect(ann.row("q-normal").get_by_test_id("queue-staff")).to_contain_text("Bob")

        await ann.get("call-next").click()
        await expect(bob.row("q-normal")).to_have_attribute("data-status", "called")
        await ann.get("claim-no-show").click()
        await expect(bob.get("queue-row")).to_have_count(0)
        await bob.get("call-next").click()
        await expect(bob.toast("Nobody is waiting")).to_be_visible()


# --- notifications ------------------------------------------------------------------------------------------


async def test_a_notification_is_counted_kept_and_read_on_every_tab(office: Office) -> None:
    async with office.desks("notify", "Ann", "Bob") as (ann, bob), office.desks("notify", "Bob") as (other_tab,):
        await ann.get("bell").click()
        await ann.tell(f"user:{bob.person.user_id}", "Please bring the next patient.", "Room 2 is free")
        await expect(bob.toast("Room 2 is free")).to_be_visible()
        for desk in (bob, other_tab):
            await expect(desk.get("unread")).to_have_text("1")
        await expect(ann.get("unread")).to_have_text("0")
        await bob.page.reload()
        await expect(bob.get("unread")).to_have_text("1")
        await bob.get("bell").click()
        item = bob.get("inbox-item")
        await expect(item).to_have_count(1)
        await expect(item).to_contain_text("Room 2 is free")
        await expect(item).to_contain_text("Ann")
        await bob.get("mark-read").click()
        for desk in (bob, other_tab):
            await expect(desk.get("unread")).to_have_text("0")
        await expect(item).to_have_attribute("data-read", "true")


async def test_a_direct_message_and_one_to_the_room(office: Office) -> None:
    async with office.desks("message", "Ann", "Bob") as (ann, bob):
        await ann.get("bell").click()
        await ann.tell(f"message:{bob.person.user_id}", "ขอบคุณค่ะ")
        await expect(bob.toast("Message from Ann")).to_contain_text("ขอบคุณค่ะ")
        await expect(bob.get("unread")).to_have_text("1")
        await ann.tell("room", "", "Lunch")
        await expect(bob.toast("Lunch")).to_be_visible()
        await expect(bob.activity("told everybody here something")).to_have_count(1)
        await bob.get("bell").click()
        await expect(bob.get("inbox-item")).to_have_count(2)
        await bob.get("read-all").click()
        await expect(bob.get("unread")).to_have_text("0")


# --- cuts and failures --------------------------------------------------------------------------------------


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
    await bob.row("q-again").get_by_role("button", name="Take q-again out of the queue").click()
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
