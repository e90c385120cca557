"""The browser's quiet hours are the hub's: the same end, in any zone, right across changes of the clock."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.async_api import Browser

from routing.members import DAYS
from routing.quiet_hours import QuietHours, held_until
from tests.e2e.browser import opened

pytestmark = pytest.mark.asyncio(loop_scope="module")

# A zone, and a day on which its clock is put forward or back.
CHANGES = (
    ("Europe/Berlin", datetime(2026, 3, 29, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 25, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 3, 8, tzinfo=UTC)),
    ("America/Santiago", datetime(2026, 4, 5, tzinfo=UTC)),  # put back across midnight
    ("America/Santiago", datetime(2026, 9, 6, tzinfo=UTC)),  # there is no midnight
    ("Australia/Lord_Howe", datetime(2026, 10, 4, tzinfo=UTC)),  # half an hour
    ("Africa/Casablanca", datetime(2026, 2, 15, tzinfo=UTC)),
    ("Asia/Kathmandu", datetime(2026, 6, 1, tzinfo=UTC)),
    ("UTC", datetime(2026, 6, 1, tzinfo=UTC)),
)
CASES = 1_500
ASK = """cases => import("/web/quiet.js").then(({ heldUntil }) =>
    cases.map(({ quiet, zone, at }) => heldUntil(quiet, zone, at)))"""


def case(dice: random.Random) -> dict[str, Any]:
    zone, day = dice.choice(CHANGES)
    moment = day + timedelta(minutes=dice.randrange(-36 * 60, 60 * 60))
    windows = [
        {"days": sorted(dice.sample(DAYS, dice.randint(1, 7))), "from": time(dice), "to": time(dice)}
        for _ in range(dice.randint(1, 3))
    ]
    return {
        "quiet": {"enabled": True, "windows": windows},
        "zone": zone,
        "at": moment.timestamp() * 1000,
    }


def time(dice: random.Random) -> str:
    return f"{dice.choice((0, 1, 2, 3, dice.randrange(24))):02}:{dice.choice((0, 15, 30, 59)):02}"


def held(one: dict[str, Any]) -> float | None:
    moment = datetime.fromtimestamp(one["at"] / 1000, UTC)
    until = held_until(QuietHours.model_validate(one["quiet"]), one["zone"], moment)
    return None if until is None else until.timestamp() * 1000


TOLD = """({ quiet, zone, at }) =>
    import("/web/quiet.js").then(({ told }) => { const { day, until, always } = told(quiet, zone, at);
        return [day, until, always]; })"""


async def test_an_end_that_is_more_than_a_day_away_has_its_date(browser: Browser, url: str) -> None:
    def case_of(days: list[str]) -> dict[str, Any]:
        window = {"days": days, "from": "07:00", "to": "07:00"}
        at = datetime(2026, 3, 6, 12, tzinfo=UTC).timestamp() * 1000  # a Friday
        return {"quiet": {"enabled": True, "windows": [window]}, "zone": "Europe/Berlin", "at": at}

    async with opened(browser) as page:
        await page.goto(url)
        assert await page.evaluate(TOLD, case_of(["fri"])) == [None, "07:00", False]
        weekend = await page.evaluate(TOLD, case_of(["fri", "sat", "sun"]))
        assert weekend == ["Mon 9 Mar", "07:00", False]
        assert (await page.evaluate(TOLD, case_of([*DAYS])))[2] is True


async def test_the_browser_reckons_as_the_hub_does(browser: Browser, url: str) -> None:
    dice = random.Random(4)  # noqa: S311  nothing is kept secret by it
    cases = [case(dice) for _ in range(CASES)]
    async with opened(browser) as page:
        await page.goto(url)
        reckoned = await page.evaluate(ASK, cases)
    wrong = [(one, got, held(one)) for one, got in zip(cases, reckoned, strict=True) if got != held(one)]
    assert wrong == []
    assert sum(got is not None for got in reckoned) > CASES / 10
