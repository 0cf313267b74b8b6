"""Takes the README's picture: two people in one record, side by side, against a running edge.

    .venv/bin/python demo/screenshot.py http://127.0.0.1:9014/demo/ docs/two-windows.png

It works in the record of patient P-1001 as two invented people, after a third one has filled the queue, and leaves
what it typed there.
"""

import argparse
import base64
import shutil
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import Browser, Page, expect, sync_playwright

WINDOW = {"width": 860, "height": 1190}
FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-gpu"]
PATIENT = "P-1001"
RECEPTION = {"user_id": "u-ploy", "name": "พลอย ศรีสุข", "role": "coordinator", "patient": "P-1004"}
NURSE = {"user_id": "u-malee", "name": "มาลี สุขใจ", "role": "nurse", "patient": PATIENT}
DOCTOR = {"user_id": "u-anan", "name": "Dr. Anan Wattana", "role": "doctor", "patient": PATIENT}
BEFORE = {"acuity_right": "6/9", "acuity_left": "6/12", "iop_right": "16", "iop_left": "17"}
QUEUED = {"P-1001": "normal", "P-1002": "normal", "P-1003": "high"}

FRAME = """
<style>
  body {{ margin: 0; padding: 28px; display: inline-flex; gap: 28px; background: #cfdfe1; }}
  figure {{ margin: 0; border-radius: 14px; overflow: hidden; box-shadow: 0 12px 40px #14262b44; background: white; }}
  figcaption {{ padding: 10px 16px; background: #e4ecec; }}
  i {{ display: inline-block; width: 12px; height: 12px; margin-right: 6px; border-radius: 50%; background: #b3c4c6; }}
  img {{ display: block; width: {width}px; height: {height}px; }}
</style>
{windows}
"""


def open_window(browser: Browser, url: str, person: dict[str, str]) -> Page:
    """A connected window of this person."""
    page = browser.new_context(viewport=WINDOW, locale="en-GB", device_scale_factor=2).new_page()  # type: ignore[arg-type]
    page.goto(f"{url}?{urlencode(person)}")
    expect(page.get_by_test_id("status")).to_have_text("Connected")
    expect(page.get_by_test_id("form-status")).to_have_text("Everything is saved.")
    return page


def fill_queue(reception: Page) -> None:
    """Before anybody comes to the patients: who is with a patient is shown from then on."""
    for patient, priority in QUEUED.items():
        reception.get_by_test_id("enqueue-patient").fill(patient)
        reception.get_by_test_id("enqueue-priority").select_option(priority)
        reception.get_by_test_id("enqueue").click()
        expect(reception.locator(f'[data-testid="queue-row"][data-patient="{patient}"]')).to_be_visible()
    reception.close()


def work_together(nurse: Page, doctor: Page) -> None:
    """The nurse fills the form and calls a patient; the doctor reads along and writes the notes."""
    for page in (nurse, doctor):
        expect(page.get_by_test_id("staff-badge")).to_have_count(2)
    for step in range(3):
        nurse.get_by_test_id(f"step-{step}").click()
        expect(doctor.get_by_test_id(f"step-{step}")).to_have_attribute("data-status", "in_progress")
    doctor.get_by_test_id("step-4").click()
    for name, value in BEFORE.items():
        field = nurse.get_by_test_id(f"field-{name}")
        field.select_option(value) if name.startswith("acuity") else field.fill(value)
        expect(doctor.get_by_test_id(f"field-{name}")).to_have_value(value)
    nurse.get_by_test_id("field-glasses-yes").check()
    doctor.get_by_test_id("lock-referral").click()
    expect(nurse.get_by_test_id("locked-referral")).to_be_visible()
    nurse.get_by_test_id("call-next").click()
    expect(doctor.locator('[data-testid="queue-row"][data-status="called"]').first).to_be_visible()
    for page in (nurse, doctor):
        here = page.locator(f'[data-testid="queue-row"][data-patient="{PATIENT}"] .faces .avatar')
        expect(here).to_have_count(2)
    notify(doctor, NURSE["user_id"], "Room 2 is free", "Please bring the next patient.")
    expect(nurse.get_by_test_id("unread")).not_to_have_text("0")
    doctor.get_by_test_id("field-notes").fill("Early lens changes on the left. Repeat the pressure after lunch.")
    nurse.get_by_test_id("field-colour_vision").fill("14 / 14")
    expect(doctor.get_by_test_id("field-colour_vision")).to_have_value("14 / 14")
    expect(nurse.get_by_test_id("editing-notes")).to_be_visible()
    expect(doctor.get_by_test_id("editing-colour_vision")).to_be_visible()
    for page in (nurse, doctor):
        page.mouse.move(0, 0)
        page.evaluate("scrollTo(0, 0)")


def notify(page: Page, user: str, title: str, text: str) -> None:
    page.get_by_test_id("bell").click()
    page.get_by_test_id("compose-to").select_option(f"user:{user}")
    page.get_by_test_id("compose-title").fill(title)
    page.get_by_test_id("compose-text").fill(text)
    page.get_by_test_id("compose-send").click()
    expect(page.get_by_test_id("toast").filter(has_text="Sent")).to_be_visible()
    page.keyboard.press("Escape")


def picture(browser: Browser, windows: list[Page], out: Path) -> None:
    """Both windows in one image."""
    shots = [base64.b64encode(page.screenshot()).decode() for page in windows]
    figures = (
        f'<figure><figcaption><i></i><i></i><i></i></figcaption><img src="data:image/png;base64,{shot}"></figure>'
        for shot in shots
    )
    page = browser.new_page(viewport={"width": 2 * WINDOW["width"] + 84, "height": WINDOW["height"] + 100})
    page.set_content(FRAME.format(windows="".join(figures), **WINDOW))
    page.locator("body").screenshot(path=out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url", help="where the demo portal is, with its last slash")
    parser.add_argument("out", type=Path, help="the PNG file to write")
    parser.add_argument("--chromium", default=shutil.which("chromium") or "/usr/bin/chromium")
    given = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=given.chromium, args=FLAGS)
        fill_queue(open_window(browser, given.url, RECEPTION))
        nurse, doctor = (open_window(browser, given.url, person) for person in (NURSE, DOCTOR))
        work_together(nurse, doctor)
        doctor.wait_for_timeout(7500)  # until the toasts are gone
        picture(browser, [nurse, doctor], given.out)
        browser.close()


if __name__ == "__main__":
    main()
