"""The inbox in two windows of one person: seen, read, put away, filtered, muted; the staff of the queue."""

import pytest
from playwright.async_api import Locator, expect

from confer_kit.testing.demo_portal import Desk, Office

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.browser]


def item(desk: Desk, title: str) -> Locator:
    return desk.get("inbox-item").filter(has_text=title)


def toast(title: str) -> str:
    """As a selector: it is gone again after some seconds, however slow the machine is."""
    return f'[aria-label="Close: {title}"]'


async def test_what_became_of_a_note_is_the_same_in_both_windows(office: Office) -> None:
    async with office.desks("states", "Ann", "Bob") as (ann, bob), office.desks("states", "Bob") as (other,):
        await ann.get("bell").click()
        for number, title in enumerate(("First", "Second", "Third"), start=1):
            await ann.tell(f"user:{bob.person.user_id}", "", title)
            await expect(bob.get("unread")).to_have_attribute("data-unseen", str(number))
        await bob.get("bell").click()
        for desk in (bob, other):
            await expect(desk.get("unread")).to_have_attribute("data-unseen", "0")
            await expect(desk.get("unread")).to_have_text("3")
        await other.get("bell").click()
        await item(bob, "First").get_by_test_id("mark-read").click()
        await expect(item(other, "First")).to_have_attribute("data-state", "read")
        await item(bob, "Second").get_by_test_id("archive").click()
        for desk in (bob, other):
            await expect(item(desk, "Second")).to_have_count(0)
            await expect(desk.get("unread")).to_have_text("1")
        await other.get("inbox-shown").select_option("archived")
        await expect(other.get("inbox-item")).to_have_count(1)
        await item(other, "Second").get_by_test_id("take-back").click()
        await expect(other.get("inbox-item")).to_have_count(0)
        await expect(item(bob, "Second")).to_have_attribute("data-state", "seen")
        await bob.get("archive-all").click()
        await expect(other.get("inbox-item")).to_have_count(3)
        for desk in (bob, other):
            await expect(desk.get("unread")).to_have_text("0")


async def test_the_inbox_is_filtered_by_state_and_type(office: Office) -> None:
    async with office.desks("filters", "Ann", "Bob") as (ann, bob):
        await ann.get("bell").click()
        await ann.tell(f"user:{bob.person.user_id}", "", "For information")
        await ann.get("compose-urgent").check()
        await ann.tell(f"user:{bob.person.user_id}", "", "<b>Warning</b>")
        await expect(bob.get("unread")).to_have_text("2")
        await bob.get("bell").click()
        await expect(bob.get("inbox-item")).to_have_count(2)
        await bob.get("inbox-type").select_option("warning")
        await expect(bob.get("inbox-item")).to_have_count(1)
        await expect(item(bob, "<b>Warning</b>")).to_have_count(1)
        await bob.get("mark-read").click()
        await bob.get("inbox-type").select_option("any")
        await bob.get("inbox-shown").select_option("unread")
        await expect(bob.get("inbox-item")).to_have_count(1)
        await expect(item(bob, "For information")).to_have_count(1)


async def test_what_is_muted_is_kept_without_a_word_in_both_windows(office: Office) -> None:
    async with office.desks("muted", "Ann", "Bob") as (ann, bob), office.desks("muted", "Bob") as (other,):
        await bob.get("bell").click()
        await other.get("bell").click()
        await bob.get("mute-info").check()
        await expect(other.get("mute-info")).to_be_checked()
        await bob.count_moments(toast("Not so important"), there=True)
        await other.count_moments(toast("Important"), there=True)
        await ann.get("bell").click()
        await ann.tell(f"user:{bob.person.user_id}", "", "Not so important")
        await ann.get("compose-urgent").check()
        await ann.tell(f"user:{bob.person.user_id}", "", "Important")
        for desk in (bob, other):
            await expect(desk.get("unread")).to_have_text("1")
            await expect(item(desk, "Not so important")).to_contain_text("muted")
        await other.has_had_a_moment()
        assert not await bob.moments(), "its toast was shown"


async def test_the_staff_of_the_queue_is_told(office: Office) -> None:
    async with office.desks("staff", "Ann", "Bob") as (ann, bob), office.desks("staff", "Bob") as (other,):
        await bob.get("bell").click()
        await bob.get("be-staff").check()
        await other.get("bell").click()
        await expect(other.get("be-staff")).to_be_checked()
        for desk in (bob, other):
            await desk.count_moments(toast("The queue is long"), there=True)
        await ann.get("bell").click()
        await ann.tell("staff", "", "The queue is long")
        for desk in (bob, other):
            await desk.has_had_a_moment()
            await expect(item(desk, "The queue is long")).to_have_count(1)
        await other.get("be-staff").uncheck()
        for desk in (bob, other):
            await expect(item(desk, "The queue is long")).to_have_count(0)


async def test_in_quiet_hours_notes_are_counted_and_not_shown(office: Office) -> None:
    async with office.desks("quiet", "Ann", "Bob") as (ann, bob), office.desks("quiet", "Bob") as (other,):
        await bob.get("bell").click()
        await bob.get("quiet").check()
        await bob.get("quiet-start").fill("00:00")  # and on, before that was answered
        await bob.get("quiet-end").fill("23:59")
        await other.get("bell").click()
        for desk in (bob, other):
            await expect(desk.get("quiet-start")).to_have_value("00:00")
            await expect(desk.get("quiet-end")).to_have_value("23:59")
            await expect(desk.get("quiet-until")).to_contain_text("quiet until")
        await bob.count_moments(toast("At night"), there=True)
        await ann.get("bell").click()
        await ann.tell(f"user:{bob.person.user_id}", "", "At night")
        await expect(bob.get("unread")).to_have_text("1")
        await other.get("quiet").uncheck()
        for desk in (bob, other):
            await expect(desk.get("quiet-until")).to_have_count(0)
        assert not await bob.moments(), "its toast was shown"
        await bob.count_moments(toast("In the morning"), there=True)
        await ann.tell(f"user:{bob.person.user_id}", "", "In the morning")
        await bob.has_had_a_moment()
