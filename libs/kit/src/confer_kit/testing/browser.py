"""Windows of a real Chromium, each of which remembers what went wrong in it."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Response,
    async_playwright,
    expect,
)

FLAGS = ("--no-sandbox", "--disable-background-networking", "--disable-gpu")
WAIT_MS = 60_000
LEFT_PAGE = "net::ERR_ABORTED"  # what the page itself gives up: a pending poll when it is left or upgraded


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """The machine's Chromium, headless. Whoever expects something in it waits `WAIT_MS`."""
    expect.set_options(timeout=WAIT_MS)
    async with async_playwright() as playwright:
        path = shutil.which("chromium") or "/usr/bin/chromium"
        browser = await playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield browser
        finally:
            await browser.close()


class Window:
    """A page in a browser context of its own. `troubles`: console errors, exceptions, failed and refused requests."""

    def __init__(self, context: BrowserContext, page: Page) -> None:
        self.context = context
        self.page = page
        self._troubles: list[str] = []
        self._excuses = [LEFT_PAGE]
        page.on("console", self._console)
        page.on("pageerror", lambda error: self._troubles.append(f"exception: {error}"))
        page.on("requestfailed", self._failed)
        page.on("response", self._answered)

    @property
    def troubles(self) -> list[str]:
        return [trouble for trouble in self._troubles if not any(excuse in trouble for excuse in self._excuses)]

    def excuse(self, *texts: str) -> None:
        """Troubles with one of these texts are a deliberate cut's doing."""
        self._excuses.extend(texts)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._troubles.append(f"console: {message.text} ({message.location.get('url')})")

    def _failed(self, request: Request) -> None:
        self._troubles.append(f"request: {request.failure} {request.method} {request.url}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self._troubles.append(f"response: {response.status} {response.request.method} {response.url}")


@asynccontextmanager
async def window(browser: Browser) -> AsyncIterator[Window]:
    """A new, empty window; when the block is left without an error, nothing must have gone wrong in it."""
    context = await browser.new_context(viewport={"width": 1280, "height": 1600}, locale="en-GB")
    context.set_default_timeout(WAIT_MS)
    opened = Window(context, await context.new_page())
    try:
        yield opened
        assert opened.troubles == []
    finally:
        await context.close()


async def fits_sideways(page: Page) -> bool:
    """Whether nobody has to scroll the page sideways; a table in it may, by itself."""
    fits: bool = await page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    return fits
