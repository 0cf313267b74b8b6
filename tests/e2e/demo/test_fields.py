"""Fields, steps and the activity of one record in two windows."""

import re

import pytest
from playwright.async_api import expect

from confer_kit.testing.demo_portal import Desk, Office

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.browser]


async def differ(ann: Desk, bob: Desk, field: str, mine: str, theirs: str) -> None:
    """Ann chooses while she does not share; Bob is first; Ann saves, and is asked."""
    await ann.get("live-toggle").uncheck()
    await ann.field(field).select_option(mine)
    await bob.field(field).select_option(theirs)
    await expect(ann.get(f"meanwhile-{field}")).to_contain_text(theirs)
    await ann.get("live-toggle").check()
    await ann.get("save-all").click()
    await expect(ann.get("conflict")).to_be_visible()


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
