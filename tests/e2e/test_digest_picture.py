"""A digest as a mail, in light and in dark; the picture of the README when WRITE_SCREENSHOT is set."""

import os
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest
from playwright.async_api import Browser, expect

from routing.consent import Links
from routing.model import Digest, DigestItem, Endpoint, Recipient
from routing.preferences import DEFAULT
from routing.writers.mail import MailConfig, Mails
from schemas.events.notifications import Topic
from schemas.ids import uuid7

pytestmark = pytest.mark.asyncio(loop_scope="module")

PICTURE = Path(__file__).parents[2] / "gateways" / "web" / "digest.png"
WANTED = bool(os.getenv("WRITE_SCREENSHOT"))
MOST_BYTES = 300_000
WIDTH, HEIGHT = 600, 980
MONDAY = datetime(2026, 11, 23, 7, tzinfo=UTC)
MAILS = Mails(
    MailConfig(public_url="https://hub.example.com", name="Tram Depot"), Links("a secret of thirty-two bytes")
)
# The least contrast of any text with its ground, as WCAG counts it.
CONTRAST = """
() => {
  const channel = (value) => (value /= 255) <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const light = (color) => {
    const [r, g, b] = color.match(/[0-9.]+/g).map(Number);
    return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  };
  const ground = (one) => {
    for (; one; one = one.parentElement) {
      const color = getComputedStyle(one).backgroundColor;
      if (!/, 0\\)$/.test(color)) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const says = (one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  const shown = [...document.querySelectorAll("h1, h2, p, a, div, td")].filter(
    (one) => one.checkVisibility() && says(one));
  return Math.min(...shown.map((one) => {
    const [a, b] = [light(getComputedStyle(one).color), light(ground(one))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  }));
}
"""


def item(topic: Topic, title: str, hours: float, text: str | None = None, count: int = 1) -> DigestItem:
    at = MONDAY - timedelta(hours=hours)
    return DigestItem(
        topic=topic, title=title, text=text, url=None, at=at, count=count, notification_id=uuid7()
    )


WEEK = Digest(
    id=uuid7(),
    kind="scheduled",
    mode="weekly",
    items=(
        item("likes", "Cleo, Dora and 11 others liked your post", 9, count=13),
        item("likes", "Gus liked your post", 60),
        item(
            "comments",
            "Eli and Fay commented on your post",
            20,
            "The light in there is wonderful. Is the upper gallery open in winter too?",
            count=2,
        ),
        item("milestones", "You reached 1,000 followers", 31),
        item(
            "announcements",
            "The depot closes early on Saturday",
            50,
            "We mend the roof from four o'clock on. The market is open as usual until then.",
        ),
    ),
)


def mail() -> str:
    to = Endpoint(id=uuid7(), channel="email", address="ann@example.com")
    recipient = Recipient(user="ann", preferences=DEFAULT, tz="Europe/Berlin", endpoints=(to,))
    return MAILS.write(WEEK, to, recipient, 5).html or ""


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_digest_can_be_read_in_light_and_dark(
    browser: Browser, scheme: Literal["light", "dark"]
) -> None:
    page = await browser.new_page(color_scheme=scheme, viewport={"width": 375, "height": 700})
    await page.set_content(mail())
    assert await page.evaluate(CONTRAST) >= 4.5
    assert await page.evaluate("() => document.documentElement.scrollWidth") <= 375
    await expect(page.get_by_role("heading", level=2)).to_have_text(
        ["Likes", "Comments", "Milestones", "Announcements"]
    )
    await page.close()


async def test_a_digest_makes_a_good_picture(browser: Browser, tmp_path: Path) -> None:
    written = PICTURE if WANTED else tmp_path / "digest.png"
    halves = []
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme in schemes:
        page = await browser.new_page(
            color_scheme=scheme, viewport={"width": WIDTH, "height": HEIGHT}, device_scale_factor=1
        )
        await page.set_content(mail())
        halves.append(await page.screenshot(animations="disabled"))
        await page.close()
    page = await browser.new_page(viewport={"width": 2 * WIDTH, "height": HEIGHT})
    await page.set_content(side_by_side(halves))
    await page.wait_for_function("() => [...document.images].every((one) => one.complete)")
    await page.screenshot(path=written)
    await page.close()
    assert written.stat().st_size < MOST_BYTES


def side_by_side(halves: list[bytes]) -> str:
    shown = "".join(f'<img src="data:image/png;base64,{b64encode(one).decode()}">' for one in halves)
    return f'<body style="margin:0;display:flex">{shown}</body>'
