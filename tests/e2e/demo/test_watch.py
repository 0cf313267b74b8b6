"""The page of `./run`: who changes a field in the demo portal sees every hop of it, without any backend."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, expect

from confer_kit.testing.browser import chromium, fits_sideways, window
from confer_kit.testing.demo_portal import desks
from confer_kit.testing.ports import free_port
from confer_kit.testing.up import Up, running

pytestmark = pytest.mark.browser

HOPS = {  # of a field's change: what ran where
    "receive field_update": "confer-edge",
    "send call.sync.field_update": "confer-edge",
    "process call.sync.field_update": "sync-svc",
    "send log.sync.room.{id}.{key}": "sync-svc",
    "receive room.{id}": "confer-edge",
    "emit field_updated": "confer-edge",
    "ack field_update": "confer-edge",
    "process log.sync.room.{id}.{key}": "presence-svc",
}


@pytest.fixture
async def run(pages: Path, tmp_path: Path) -> AsyncIterator[Up]:
    options = ("--demo", f"--data={tmp_path}", f"--metrics-port={free_port()}", f"--watch-port={free_port()}")
    async with running(*options) as started:
        await started.up()
        yield started


async def test_a_field_that_was_changed_is_shown_with_all_its_hops(run: Up) -> None:
    async with chromium() as browser, desks(browser, f"http://127.0.0.1:{run.port}/demo/", "P-1", "Ann") as (ann,):
        await ann.field("acuity_right").select_option("6/12")
        await ann.is_saved()
        address = await ann.get("watch").get_attribute("href")
        assert address
        assert f"What happens   {address}/" in run.printed
        assert f"Public board   http://127.0.0.1:{run.port}/demo/board/" in run.printed
        async with window(browser) as opened:
            page = opened.page
            await page.goto(address)
            await page.locator("#traces button", has_text="receive field_update").first.click()
            for name, service in HOPS.items():
                await expect(hop(page, name)).to_contain_text(service)
            await expect(hop(page, "receive room.{id}")).to_contain_text("⇠ linked")
            await page.set_viewport_size({"width": 360, "height": 740})
            assert await fits_sideways(page)
            await hop(page, "process call.sync.field_update").get_by_role("button").click()
            await expect(hop(page, "process call.sync.field_update").locator("dl")).to_contain_text("nats")
            await expect(page.locator("#tiles")).to_contain_text("clients")
            await expect(page.locator("#processes tbody tr")).to_have_count(5)
            await expect(page.locator("#state")).to_have_text("all parts answer")
    assert await run.interrupted() == 130


def hop(page: Page, name: str) -> Locator:
    return page.locator(f'[data-hop="{name}"]')
