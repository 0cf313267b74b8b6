"""Who is here: coming, moving, resting, leaving, reloading; marks and locks on fields."""

from contextlib import AsyncExitStack
from functools import partial

import pytest
from playwright.async_api import expect

from confer_kit.tasks import Tasks, again
from confer_kit.testing.demo_portal import Office, desks
from confer_kit.testing.raw import raw_client

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.browser]


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


SHOWN_AND_COUNTED = """(total) => {
  const more = document.querySelector('[data-testid="staff-more"]')?.textContent.match(/[0-9]+/)[0] ?? 0;
  return document.querySelectorAll('[data-testid="staff-badge"]').length + Number(more) === total;
}"""


async def test_of_a_large_room_the_first_ones_are_shown_and_the_others_counted(office: Office) -> None:
    """A page is five people (conftest). Of the others, those are shown of whom something is told."""
    crowd, tasks = [f"crowd-{number}" for number in range(8)], Tasks()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(tasks.cancel)
        for name in crowd:
            query = {"user_id": name, "user_name": name, "user_role": "nurse"}
            member = await stack.enter_async_context(raw_client(office.system.url(), query, name=name))
            assert (await member.call("join_patient_room", {"patient_id": "large"}))["status"] == "ok"
            tasks.start(again(1, partial(member.emit, "user_heartbeat", {})), name)  # else they are away
        async with office.desks("large", "Ann") as (ann,):
            await expect(ann.get("staff-more")).to_be_visible()
            await ann.page.wait_for_function(SHOWN_AND_COUNTED, arg=9)
            await ann.get("people-open").click()
            await expect(ann.get("person")).to_have_count(9)
            await ann.page.keyboard.press("Escape")
            async with office.desks("large", "Bob") as (bob,):
                await expect(ann.badge(bob.person)).to_have_count(1)  # who comes is told of, wherever in line
                await ann.page.wait_for_function(SHOWN_AND_COUNTED, arg=10)
            await expect(ann.badge(bob.person)).to_have_count(0)
            await ann.page.wait_for_function(SHOWN_AND_COUNTED, arg=9)


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
