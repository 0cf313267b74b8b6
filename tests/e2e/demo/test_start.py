"""The beginning: choosing who one is and whose record to open."""

import asyncio

import pytest
from playwright.async_api import Route, expect

from confer_kit.testing.browser import window
from confer_kit.testing.demo_portal import Office

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.browser]


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
