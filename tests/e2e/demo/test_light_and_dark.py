"""By day and by night: everything that is written can be read (WCAG 2.2, 1.4.3)."""

from typing import Literal

import pytest
from playwright.async_api import Page, expect

from confer_kit.testing.demo_portal import Office

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.browser]

RATIO_MIN = 4.5  # AA, for text of any size
# The texts that are seen, each with the least contrast to what is painted behind it. Disabled ones are exempt.
CONTRASTS = """() => {
  const parts = (color) => {
    const [r, g, b, a = 1] = color.match(/[0-9.]+/g).map(Number);
    return color.startsWith("color(") ? [r * 255, g * 255, b * 255, a] : [r, g, b, a];
  };
  const over = ([r, g, b, a], under) => [r, g, b].map((c, i) => c * a + under[i] * (1 - a));
  const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.push(parts(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((under, layer) => over(layer, under), [255, 255, 255]);
  };
  const light = (color) => {
    const [r, g, b] = color.map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const seen = (element) => element.checkVisibility({ visibilityProperty: true }) && !element.closest(":disabled, .sr");
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].filter((n) => n.nodeType === Node.TEXT_NODE).map((n) => n.data.trim()).join("");
    const text = own || element.value || "";
    if (typeof text !== "string" || !text || !seen(element) || element.matches("option, script, style")) continue;
    const ground = behind(element);
    const [a, b] = [over(parts(getComputedStyle(element).color), ground), ground].map(light).sort((x, y) => y - x);
    found.push([(a + 0.05) / (b + 0.05), `${element.tagName} ${element.className}: ${text.slice(0, 40)}`]);
  }
  return found;
}"""


async def unreadable(page: Page) -> list[str]:
    found = await page.evaluate(CONTRASTS)
    assert len(found) > 40, "there is something to read"
    return [f"{ratio:.2f} {what}" for ratio, what in found if ratio < RATIO_MIN]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_everything_can_be_read(office: Office, scheme: Literal["light", "dark"]) -> None:
    async with office.desks(f"seen-{scheme}", "Ann", "Bob") as (ann, bob):
        await ann.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        ground = await ann.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        red = int(ground.removeprefix("rgb(").split(",")[0])
        assert (red < 60) == (scheme == "dark"), ground
        await bob.field("notes").fill("Calm.")
        await expect(ann.field("notes")).to_have_value("Calm.")
        await bob.get("lock-iop_left").click()
        await bob.field("referral").focus()
        await expect(ann.get("locked-iop_left")).to_be_visible()
        await expect(ann.get("editing-referral")).to_be_visible()
        await ann.enqueue(f"seen-{scheme}-q", "high")
        await expect(ann.row(f"seen-{scheme}-q")).to_be_visible()
        await ann.get("bell").click()
        await ann.tell("room", "Look", "Tea is ready")
        await expect(bob.toast("Tea is ready")).to_be_visible()
        assert await unreadable(ann.page) == []
        await ann.page.keyboard.press("Escape")
        await ann.get("people-open").click()
        await expect(ann.get("person")).to_have_count(2)
        assert await unreadable(ann.page) == []
