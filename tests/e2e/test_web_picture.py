"""The picture of the README: a lively feed, written into the repository when WRITE_SCREENSHOT is set."""

import asyncio
import os
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from schemas.clock import SystemClock
from schemas.events.members import rfc3339
from tests.e2e.browser import Api, about, card, follow, live, opened, post, unique, until_seen
from tests.hubprocess import HubProcess

pytestmark = pytest.mark.asyncio(loop_scope="module")

PICTURE = Path(__file__).parents[2] / "gateways" / "web" / "screenshot.png"
WANTED = bool(os.getenv("WRITE_SCREENSHOT"))
PACE_S = 3 if WANTED else 0  # spread over the minute that the little chart shows
MOST_BYTES = 300_000

MARKET = "How we moved the Saturday market into the old tram depot"
CHOIR = "The choir is looking for two more voices"


def ago(minutes: int, event: dict[str, object]) -> dict[str, object]:
    return event | {"time": rfc3339(SystemClock().now() - timedelta(minutes=minutes))}


def beginning(market: str, choir: str) -> list[list[dict[str, object]]]:
    garden = unique("garden")
    stream = {"stream_id": garden, "host": "dora", "title": "Pottery, late shift"}
    return [
        [ago(26, {"type": "governance.proposal_created", "data": proposal(garden)})],
        [ago(19, post(market, "bob", title=MARKET, zone="berlin", kind="article"))],
        [ago(12, {"type": "live.started", "data": stream})],
        [ago(7, post(choir, "cleo", title=CHOIR, zone="music"))],
    ]


def answers(market: str, choir: str) -> list[list[dict[str, object]]]:
    tip = {"to": "ann", "amount": 1250, "note": "For the sound check"}
    return [
        [about("liked", market, user) for user in ("dora", "eli", "fay", "gus")],
        [ago(16, about("commented", market, "eli", text="The light in there is wonderful."))],
        [about("liked", choir, user) for user in ("ann", "bob", "gus")],
        [ago(5, about("commented", choir, "gus", text="I can sing bass on Thursdays!"))],
        [ago(2, about("commented", choir, "fay", text="Count me in."))],
        [
            {
                "type": "hours.tipped",
                "actor": "eli",
                "data": {"to": "cleo", "amount": 500, "content_id": choir},
            }
        ],
        [ago(1, {"type": "user.followed", "actor": "fay", "data": {"target": "ann"}})],
        [{"type": "hours.tipped", "actor": "bob", "data": tip}],
    ]


def proposal(name: str) -> dict[str, object]:
    return {"proposal_id": name, "title": "Open the rooftop garden on weekdays", "zone": "berlin"}


async def test_a_lively_feed_makes_a_good_picture(
    browser: Browser, url: str, api: Api, hub_process: HubProcess, tmp_path: Path
) -> None:
    written = PICTURE if WANTED else tmp_path / "screenshot.png"
    market, choir = unique("market"), unique("choir")
    async with opened(browser, color_scheme="light") as page:
        await page.goto(f"{url}/#token={hub_process.token('ann', 'user', 'publish', 'admin')}")
        await page.get_by_role("button", name="Continue as").click()
        await live(page)
        for zone in ("berlin", "music"):
            await follow(page, zone)
        await page.get_by_role("button", name="All", exact=True).click()
        for events in beginning(market, choir):
            await api.publish(*events)
            await asyncio.sleep(PACE_S)
        for content, title in ((market, MARKET), (choir, CHOIR)):
            like = about("liked", content, "cleo")
            await until_seen(
                partial(api.publish, like), card(page, title).get_by_role("button", name="(1 like)")
            )
        for events in answers(market, choir):
            await api.publish(*events)
            await asyncio.sleep(PACE_S)
        await expect(page.get_by_role("article").first).to_contain_text("bob tipped you 12.50 HRS")
        await expect(card(page, CHOIR).get_by_text("5.00 HRS")).to_be_visible()
        await page.mouse.move(0, 0)
        await page.screenshot(path=written, animations="disabled")
    assert written.stat().st_size < MOST_BYTES
