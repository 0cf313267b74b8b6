"""The public board beside two people who work on its queue."""

import pytest
from playwright.async_api import expect

from confer_kit.testing.browser import fits_sideways, window
from confer_kit.testing.client import Client
from confer_kit.testing.demo_portal import Office

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.browser]


async def test_the_board_follows_what_staff_do_and_the_staff_see_how_it_goes(office: Office) -> None:
    async with office.desks("desk", "Ann", "Bob") as (ann, bob), window(office.browser) as screen:
        await screen.page.goto(f"{office.url}board/?queue=screening")
        following = screen.page.get_by_test_id("board-next")
        for patient in ("first", "second"):
            await ann.enqueue(patient, "normal")
            await expect(ann.row(patient)).to_be_visible()
        number = await ann.row("first").get_by_test_id("ticket-number").inner_text()
        await expect(following).to_have_count(2)
        await expect(following.first).to_have_text(number)

        await bob.get("station").fill("Room 7")
        await bob.get("call-next").click()
        call = screen.page.locator(f'[data-testid="board-call"][data-number="{number}"]')
        await expect(call).to_contain_text("Room 7")
        await expect(following).to_have_count(1)
        await bob.get("claim-start").click()
        await expect(call).to_have_attribute("data-serving", "true")
        await bob.get("claim-done").click()
        await expect(call).to_have_count(0)
        await expect(screen.page.get_by_test_id("board-waiting")).to_have_text("1")

        await expect(ann.get("queue-figures")).to_contain_text("1 served today")
        await ann.get("queue-figures").locator("summary").click()
        station = ann.get("station-figures").filter(has_text="Room 7")
        await expect(station).to_have_count(2)  # in the last hour, and today
        await bob.page.reload()
        await expect(bob.get("station")).to_have_value("Room 7")

        shown = await screen.page.locator("body").inner_text()
        assert not [name for name in ("first", "second", "Ann", "Bob", "nurse") if name in shown]


async def test_a_display_whose_edge_is_away_says_so_and_comes_back(office: Office) -> None:
    async with window(office.browser) as screen:
        screen.excuse("ERR_CONNECTION_REFUSED", "WebSocket", "socket.io")
        await screen.page.goto(f"{office.url}board/?queue=elsewhere")
        board = screen.page.get_by_test_id("board")
        await expect(screen.page.get_by_test_id("board-waiting")).to_have_text("0")
        await office.system.processes["edge"].kill()
        await expect(board).to_have_attribute("data-link", "reconnecting")
        await expect(screen.page.get_by_test_id("board-trouble")).to_contain_text("No connection since")
        await office.system.restart("edge")
        await expect(board).to_have_attribute("data-link", "connected")
        await expect(screen.page.get_by_test_id("board-trouble")).to_be_empty()
        await expect(screen.page.get_by_test_id("board-waiting")).to_have_text("0")


async def test_all_that_is_shown_fits_a_television_however_many_are_called(office: Office) -> None:
    async with window(office.browser) as screen:
        await screen.page.goto(f"{office.url}board/?queue=crowded")
        await expect(screen.page.locator("main")).to_contain_text("Please wait for your number")
        staff = await Client("u-caller").connect(office.system.url())
        for number in range(30):
            await staff.until_ok("queue_enqueue", queue="crowded", patient_id=f"crowded-{number}")
        for number in range(10):
            await staff.until_ok("queue_call_next", queue="crowded", station=f"Room {number}")
        await staff.close()
        await expect(screen.page.get_by_test_id("board-more")).to_have_text("and 3 more")
        await expect(screen.page.get_by_test_id("board-waiting")).to_have_text("20")
        for width, height in ((1920, 1080), (1280, 720)):
            await screen.page.set_viewport_size({"width": width, "height": height})
            for lowest in ("board-more", "board-next", "board-waiting"):
                box = await screen.page.get_by_test_id(lowest).last.bounding_box()
                assert box
                assert box["y"] + box["height"] <= height
            assert await fits_sideways(screen.page)
