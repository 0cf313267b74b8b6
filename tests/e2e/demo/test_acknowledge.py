"""A note that somebody must acknowledge, in two windows."""

import pytest
from playwright.async_api import expect

from confer_kit.testing.demo_portal import Office

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.browser]


async def test_it_stays_in_both_windows_until_one_of_them_acknowledges(office: Office) -> None:
    async with office.desks("alarm", "Ann", "Bob") as (ann, bob):
        await ann.get("bell").click()
        await ann.get("compose-to").select_option("role:nurse")
        await ann.get("compose-must").check()
        await ann.tell("role:nurse", "Room 2, at once", "Alarm")
        for desk in (ann, bob):
            await expect(desk.get("demand")).to_contain_text("Room 2, at once")
        await bob.page.keyboard.press("Escape")
        await bob.page.keyboard.press("Escape")
        await bob.page.reload()
        await expect(bob.get("demand")).to_be_visible()
        await bob.is_ready()

        await bob.get("demand-acknowledge").click()
        for desk in (ann, bob):
            await expect(desk.get("demand")).to_have_count(0)
        await expect(ann.toast("Alarm").filter(has_text="Bob acknowledged it.")).to_be_visible()
        await ann.page.reload()
        await ann.is_ready()
        await ann.get("bell").click()
        await expect(ann.get("inbox-item")).to_contain_text("Alarm")
        await expect(ann.get("demand")).to_have_count(0)
