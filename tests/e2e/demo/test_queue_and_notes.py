"""The queue and the notifications in two windows."""

import pytest
from playwright.async_api import expect

from confer_kit.testing.demo_portal import Office

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.browser]


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


async def test_tickets_are_held_moved_sent_on_and_called_again(office: Office) -> None:
    """Ann sees what Bob does to those who wait, and holds one whom she has called."""
    async with office.desks("counter", "Ann", "Bob") as (ann, bob):
        for patient in ("c-1", "c-2", "c-3"):
            await ann.enqueue(patient, "normal")
            await expect(bob.row(patient)).to_be_visible()
        first = ann.get("queue-row").first
        await bob.do("c-3", "row-front")
        await expect(first).to_have_attribute("data-patient", "c-3")
        await bob.row("c-2").get_by_test_id("row-actions").click()
        await bob.row("c-2").get_by_test_id("row-priority").select_option("high")
        await expect(first).to_have_attribute("data-patient", "c-2")
        await bob.do("c-2", "row-hold")
        await expect(ann.row("c-2")).to_have_attribute("data-status", "held")
        await expect(first).to_have_attribute("data-patient", "c-3")

        await ann.get("call-next").click()
        await expect(bob.row("c-3")).to_have_attribute("data-status", "called")
        await ann.get("claim-recall").click()
        await expect(bob.row("c-3")).to_have_attribute("data-status", "called")
        await ann.get("claim-hold").click()
        await expect(bob.row("c-3")).to_have_attribute("data-status", "held")
        await expect(ann.get("claim")).to_have_count(0)

        await bob.do("c-2", "row-resume")
        await expect(ann.row("c-2")).to_have_attribute("data-status", "waiting")
        await ann.row("c-1").get_by_test_id("row-actions").click()
        await ann.row("c-1").get_by_test_id("row-to").fill("doctor")
        await ann.row("c-1").get_by_test_id("row-transfer").click()
        await expect(bob.row("c-1")).to_have_count(0)
        for patient in ("c-2", "c-3"):
            await bob.do(patient, "row-cancel")
            await expect(ann.row(patient)).to_have_count(0)


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
