"""A person's window on the demo portal, by what the page names for tests (`data-testid`)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlencode

from playwright.async_api import Browser, Locator, expect

from confer_kit.testing.browser import Window, window
from confer_kit.testing.system import System

MOMENT_S = 60
COUNT_MOMENTS = """([selector, there]) => {
  window.moments = 0;
  const look = () => { if ((document.querySelector(selector) !== null) === there) window.moments++; };
  new MutationObserver(look).observe(document.body, { subtree: true, childList: true });
}"""


@dataclass(frozen=True)
class Person:
    user_id: str
    name: str
    role: str


class Desk:
    """A person at a window."""

    def __init__(self, opened: Window, person: Person) -> None:
        self.window = opened
        self.page = opened.page
        self.person = person

    async def open(self, url: str, patient: str) -> None:
        """The patient's record, connected and loaded. `url`: where the demo portal is, with its last slash."""
        await self.go_to(url, patient)
        await self.is_ready()

    async def go_to(self, url: str, patient: str) -> None:
        """Whether or not there will be a connection."""
        who = {"user_id": self.person.user_id, "name": self.person.name, "role": self.person.role}
        await self.page.goto(f"{url}?{urlencode(who | {'patient': patient})}")

    async def is_ready(self) -> None:
        await expect(self.get("status")).to_have_text("Connected")
        await self.is_saved()

    async def is_saved(self) -> None:
        await expect(self.get("form-status")).to_have_text("Everything is saved.")

    def get(self, name: str) -> Locator:
        return self.page.get_by_test_id(name)

    def field(self, name: str) -> Locator:
        return self.get(f"field-{name}")

    def badge(self, person: Person) -> Locator:
        return self.page.locator(f'[data-testid="staff-badge"][data-user="{person.user_id}"]')

    def row(self, patient: str) -> Locator:
        """Of the queue."""
        return self.page.locator(f'[data-testid="queue-row"][data-patient="{patient}"]')

    def versions(self) -> Locator:
        """Of the field whose history is open, newest first."""
        return self.get("history-row")

    def reported(self, field: str) -> Locator:
        """What became of a change that was made offline."""
        return self.page.locator(f'[data-testid="report-row"][data-field="{field}"]')

    def activity(self, text: str) -> Locator:
        return self.get("activity-row").filter(has_text=text)

    def toast(self, text: str) -> Locator:
        return self.get("toast").filter(has_text=text)

    async def move_the_mouse(self) -> None:
        await self.page.mouse.move(10, 10)
        await self.page.mouse.move(40, 40)

    async def enqueue(self, patient: str, priority: str) -> None:
        await self.get("enqueue-patient").fill(patient)
        await self.get("enqueue-priority").select_option(priority)
        await self.get("enqueue").click()

    async def do(self, patient: str, action: str) -> None:
        """Something with a ticket that nobody holds: `row-hold`, `row-cancel`, ..., by its menu."""
        row = self.row(patient)
        await row.get_by_test_id("row-actions").click()
        await row.get_by_test_id(action).click()

    async def tell(self, to: str, text: str, title: str | None = None) -> None:
        """Fill and send the form behind the bell, which is open. `to`: `room`, `user:<id>`, `message:<id>`, ..."""
        await self.get("compose-to").select_option(to)
        if title is not None:
            await self.get("compose-title").fill(title)
        await self.get("compose-text").fill(text)
        await self.get("compose-send").click()

    async def count_moments(self, selector: str, *, there: bool) -> None:
        """From now on: each change of the page after which something that fits is there, or is not."""
        await self.page.evaluate(COUNT_MOMENTS, [selector, there])

    async def moments(self) -> int:
        """How many there were."""
        found: int = await self.page.evaluate("window.moments")
        return found

    async def has_had_a_moment(self) -> None:
        async with asyncio.timeout(MOMENT_S):  # wait_for_function is what the page's policy forbids: an eval
            while not await self.moments():  # noqa: ASYNC110 - it is the page that changes
                await asyncio.sleep(0.05)


@asynccontextmanager
async def desks(browser: Browser, url: str, patient: str, *names: str) -> AsyncIterator[list[Desk]]:
    """Nurses of these names, each alone in the world of this patient, at the open record."""
    async with AsyncExitStack() as stack:
        opened = []
        for name in names:
            person = Person(f"{patient}-{name.lower()}", name, "nurse")
            opened.append(Desk(await stack.enter_async_context(window(browser)), person))
            await opened[-1].open(url, patient)
        yield opened


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
            while not condition():  # noqa: ASYNC110 - what is waited for is not in this process
                await asyncio.sleep(0.05)
