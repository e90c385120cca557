"""The notification centre in a real browser: the same on all devices of a person, live and after a break."""

import asyncio
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, Page, Route, expect

from tests.e2e.browser import (
    PHONE,
    Api,
    CuttableLine,
    about,
    cut_off,
    live,
    opened,
    sign_in,
    stumbling_blocks,
    unique,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


def tip(to: str, note: str) -> dict[str, Any]:
    return {"type": "hours.tipped", "actor": "bob", "data": {"to": to, "amount": 250, "note": note}}


def bell(page: Page, unread: int) -> Locator:
    said = {0: "no unread notifications", 1: "1 unread notification"}.get(
        unread, f"{unread} unread notifications"
    )
    return page.get_by_role("link", name=f"Notifications, {said}", exact=True)


def row(page: Page, text: str) -> Locator:
    return page.locator("[data-notification]").filter(has_text=text)


async def shown(page: Page) -> list[str]:
    """The ids of the rows, as they stand."""
    found: list[str] = await page.locator("[data-notification]").evaluate_all(
        "rows => rows.map(row => row.dataset.notification)"
    )
    return found


async def fetched(api: Api, user: str, state: str) -> list[str]:
    headers = {"Authorization": f"Bearer {await api.token(user)}"}
    query = {"state": state, "limit": "200"}
    async with api.http.get(f"{api.url}/v1/me/notifications", params=query, headers=headers) as answer:
        answer.raise_for_status()
        return [one["id"] for one in (await answer.json())["items"]]


async def centre(page: Page, url: str, user: str) -> None:
    await sign_in(page, url, user)
    await page.get_by_role("link", name="Notifications").click()
    await expect(page.get_by_role("heading", name="Notifications", level=1)).to_be_visible()


async def test_two_devices_of_one_person_show_the_same(browser: Browser, url: str, api: Api) -> None:
    ann = unique("ann")
    async with opened(browser) as desk, opened(browser, PHONE) as phone:
        await sign_in(desk, url, ann)
        await centre(phone, url, ann)
        await expect(phone.get_by_text("Nothing here yet")).to_be_visible()
        await expect(bell(desk, 0)).to_be_visible()
        await api.publish(tip(ann, "first"), tip(ann, "second"))
        for page in (desk, phone):
            await expect(bell(page, 2)).to_be_visible()
        await expect(phone.get_by_role("heading", name="Today")).to_be_visible()
        await bell(desk, 2).click()
        await row(desk, "first").get_by_role("button", name="Mark as read").click()
        for page in (desk, phone):
            await expect(bell(page, 1)).to_be_visible()
            await expect(row(page, "first").get_by_role("button", name="Mark as unread")).to_be_visible()
            await expect(row(page, "second").get_by_text("Unread:")).to_be_attached()
        await row(phone, "first").get_by_role("button", name="Mark as unread").click()
        await expect(bell(desk, 2)).to_be_visible()
        await desk.get_by_role("button", name="Read all").click()
        await expect(bell(phone, 0)).to_be_visible()
        await expect(phone.get_by_text("Unread:")).to_have_count(0)
        await expect(desk.get_by_role("button", name="Read all")).to_be_disabled()
        # It came to both by /notifications; the feed shows the tip itself, and nothing twice.
        await desk.get_by_role("link", name="Feed", exact=True).click()
        await expect(desk.get_by_role("article").filter(has_text="tipped you")).to_have_count(2)
        await expect(desk.get_by_role("article")).to_have_count(2)


async def test_what_gathers_grows_in_its_place(browser: Browser, url: str, api: Api) -> None:
    ann, content = unique("ann"), unique("c")
    async with opened(browser) as page:
        await centre(page, url, ann)
        await api.publish(about("liked", content, "bob", author=ann))
        await expect(row(page, "bob liked your post")).to_have_count(1)
        (first,) = await shown(page)
        await api.publish(tip(ann, "between"), about("liked", content, "cleo", author=ann))
        await expect(row(page, "cleo and bob liked your post")).to_have_count(1)
        await expect(bell(page, 2)).to_be_visible()
        await expect(page.locator("[data-notification]")).to_have_count(2)
        await api.publish(*(about("liked", content, f"fan{number}", author=ann) for number in range(5)))
        await expect(row(page, "and 5 others liked your post")).to_have_count(1)
        await expect(bell(page, 2)).to_be_visible()
        assert first in await shown(page)


async def test_what_is_put_away_is_in_the_archive_and_comes_back(
    browser: Browser, url: str, api: Api
) -> None:
    ann = unique("ann")
    async with opened(browser) as page:
        await centre(page, url, ann)
        await api.publish(tip(ann, "one"), tip(ann, "two"))
        await expect(bell(page, 2)).to_be_visible()
        await page.get_by_role("link", name="Unread", exact=True).click()
        away = row(page, "two").get_by_role("button", name="Archive")
        await away.focus()
        await page.keyboard.press("Enter")
        await expect(row(page, "two")).to_have_count(0)
        await expect(row(page, "one")).to_be_focused()
        await expect(bell(page, 1)).to_be_visible()
        await row(page, "one").get_by_role("button", name="Mark as read").click()
        await expect(page.get_by_text("You have seen everything there is.")).to_be_visible()
        await page.get_by_role("link", name="Archive", exact=True).click()
        await expect(page).to_have_url(f"{url}/notifications?view=archived")
        await expect(page.locator("[data-notification]")).to_have_count(1)
        await page.reload()
        await row(page, "two").get_by_role("button", name="Take back").click()
        await expect(page.get_by_text("Nothing put away")).to_be_visible()
        await expect(bell(page, 1)).to_be_visible()
        await page.get_by_role("link", name="Inbox", exact=True).click()
        await expect(row(page, "two").get_by_text("Unread:")).to_be_attached()
        await expect(row(page, "one")).to_have_count(1)


async def test_older_pages_follow_and_what_comes_meanwhile_moves_nothing(
    browser: Browser, url: str, api: Api
) -> None:
    ann = unique("ann")
    await api.publish(*(tip(ann, f"tip {number}") for number in range(50)))
    async with opened(browser) as page:
        await centre(page, url, ann)
        rows = page.locator("[data-notification]")
        await expect(bell(page, 50)).to_be_visible()
        await expect(rows).to_have_count(30)
        await api.publish(tip(ann, "while reading"))
        await expect(rows).to_have_count(31)
        await expect(rows.first).to_contain_text("while reading")
        await page.get_by_role("button", name="Older").click()
        await expect(rows).to_have_count(51)
        await expect(page.get_by_role("button", name="Older")).to_have_count(0)
        assert await shown(page) == await fetched(api, ann, "inbox")


async def test_after_a_break_there_is_what_would_be_fetched(
    browser: Browser, url: str, api: Api, line: CuttableLine
) -> None:
    ann, content = unique("ann"), unique("c")
    async with opened(browser) as page, opened(browser) as other:
        await centre(page, line.url, ann)
        await centre(other, url, ann)
        await api.publish(tip(ann, "before"), about("liked", content, "bob", author=ann))
        await expect(bell(page, 2)).to_be_visible()
        await cut_off(line, page)
        await api.publish(about("liked", content, "cleo", author=ann), tip(ann, "during"))
        await row(other, "before").get_by_role("button", name="Archive").click()
        await row(other, "during").get_by_role("button", name="Mark as read").click()
        await expect(bell(other, 1)).to_be_visible()
        await line.mend()
        await live(page)
        for one in (page, other):
            await expect(bell(one, 1)).to_be_visible()
            await expect(row(one, "cleo and bob liked your post")).to_have_count(1)
            await expect(row(one, "before")).to_have_count(0)
            await expect(row(one, "during").get_by_role("button", name="Mark as unread")).to_be_visible()
        assert await shown(page) == await shown(other) == await fetched(api, ann, "inbox")


async def test_what_comes_while_the_list_is_on_its_way_is_not_lost(
    browser: Browser, url: str, api: Api
) -> None:
    ann, content = unique("ann"), unique("c")
    await api.publish(tip(ann, "early"), about("liked", content, "bob", author=ann))
    asked, release = asyncio.Event(), asyncio.Event()

    async def hold(route: Route) -> None:
        answer = await route.fetch()
        asked.set()
        await release.wait()
        await route.fulfill(response=answer)

    async with opened(browser) as page:
        await sign_in(page, url, ann)
        await expect(bell(page, 2)).to_be_visible()
        await page.route("**/v1/me/notifications?*", hold, times=1)
        await bell(page, 2).click()
        await asked.wait()
        await api.publish(about("liked", content, "cleo", author=ann), tip(ann, "late"))
        await expect(bell(page, 3)).to_be_visible()
        release.set()
        await expect(row(page, "late")).to_have_count(1)
        await expect(row(page, "cleo and bob liked your post")).to_have_count(1)
        assert await shown(page) == await fetched(api, ann, "inbox")
        await expect(bell(page, 3)).to_be_visible()


async def test_the_centre_is_no_riddle_to_assistive_technology(browser: Browser, url: str, api: Api) -> None:
    ann = unique("ann")
    for size, scheme in ((PHONE, "dark"), ((1280, 800), "light")):
        async with opened(browser, size, color_scheme=scheme) as page:
            await centre(page, url, ann)
            await api.publish(
                tip(ann, "x" * 200), {"type": "user.followed", "actor": "b" * 64, "data": {"target": ann}}
            )
            await expect(row(page, "started following you")).to_have_count(1)
            assert await stumbling_blocks(page) == []
            await row(page, "tipped you").first.get_by_role("button", name="Mark as read").click()
            await expect(row(page, "tipped you").first.get_by_text("Unread:")).to_have_count(0)
            assert await stumbling_blocks(page) == []
            await page.goto(f"{url}/history")
            await expect(page.get_by_text("reached you").first).to_be_visible()
            assert await stumbling_blocks(page) == []
            assert await page.evaluate("document.documentElement.scrollWidth") == size[0]
