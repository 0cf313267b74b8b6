"""A ticket in two windows: its way through the queues, notes, and who is to care for the patient."""

import pytest
from playwright.async_api import Locator, expect

from confer_kit.testing.client import Client
from confer_kit.testing.demo_portal import Desk, Office

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.browser]


def happened(desk: Desk, change: str) -> Locator:
    return desk.page.locator(f'[data-testid="ticket-event"][data-change="{change}"]')


async def test_what_staff_write_on_a_ticket_is_seen_by_the_others_at_once(office: Office) -> None:
    """It came from another queue, of which the ticket tells."""
    desk = await Client("desk").connect(office.system.url())
    ticket = (await desk.until_ok("queue_enqueue", queue="registration", patient_id="t-1"))["ticket"]["ticket"]
    async with office.desks("ticket", "Ann", "Bob") as (ann, bob):
        await desk.until_ok("queue_transfer", queue="registration", ticket=ticket, to="screening")
        for one in (ann, bob):
            await one.row("t-1").get_by_test_id("ticket-number").click()
            await expect(one.get("ticket-way")).to_contain_text("registration")
            await expect(happened(one, "queued")).to_contain_text("from registration")
        await ann.get("ticket-note").fill("<b>Wears glasses</b>")
        await ann.get("ticket-write").click()
        await expect(happened(bob, "noted")).to_contain_text("<b>Wears glasses</b>")
        await expect(ann.get("ticket-note")).to_have_value("")
        await bob.get("ticket-assign").select_option(ann.person.user_id)
        for one in (ann, bob):
            await expect(one.get("ticket-assigned").locator(".chip")).to_contain_text("Ann")
        await ann.get("ticket-unassign").click()
        await expect(bob.get("ticket-assigned").locator(".chip")).to_have_count(0)
        await desk.until_ok("queue_cancel", queue="screening", ticket=ticket)
        for one in (ann, bob):
            await expect(one.get("ticket-way")).to_contain_text("over")
            await expect(happened(one, "cancelled")).to_be_visible()
    await desk.close()
