"""The events page in a real browser: the log, its live tail, and the trace that explains one event."""

import json
import re

import pytest
from playwright.async_api import Browser, Page, expect

from tests.e2e.browser import PHONE, Api, about, live, opened, post, sign_in, unique

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def open_events(page: Page, url: str, query: str = "") -> None:
    await sign_in(page, url, "admin")
    await page.goto(f"{url}/events{query}")
    await expect(page.get_by_role("heading", name="Events", exact=True)).to_be_visible()


async def test_the_log_is_filtered_by_type_subject_and_time(browser: Browser, url: str, api: Api) -> None:
    content = unique("c")
    await api.publish(post(content), about("liked", content, "ann"), about("viewed", content, "ann"))
    async with opened(browser) as page:
        await open_events(page, url)
        rows = page.get_by_role("list", name="Events, newest first").get_by_role("link")
        await page.keyboard.press("/")
        await page.keyboard.type(f"content:{content}")
        await expect(rows).to_have_count(3)
        await expect(rows.first).to_contain_text("content.viewed")
        await page.get_by_label("Type").select_option("content.liked")
        await expect(rows).to_have_count(1)
        await expect(rows).to_contain_text(f"ann liked “Post {content}”")
        await page.get_by_label("Since").select_option("1h")
        await expect(rows).to_have_count(1)
        chosen = {"type=content.liked", "since=1h"}
        await page.wait_for_url(lambda at: chosen <= set(at.partition("?")[2].split("&")))
        await page.get_by_label("Type").select_option("user.followed")
        await expect(page.get_by_text("Nothing in the log matches these filters")).to_be_visible()


async def test_older_pages_follow_without_repeating(browser: Browser, url: str, api: Api) -> None:
    content = unique("c")
    await api.publish(*(about("liked", content, f"fan{number}") for number in range(70)))
    async with opened(browser) as page:
        await open_events(page, url, f"?subject=content:{content}")
        rows = page.get_by_role("list", name="Events, newest first").get_by_role("link")
        await expect(rows).to_have_count(50)
        await page.get_by_role("button", name="Older").click()
        await expect(rows).to_have_count(70)
        await expect(page.get_by_text("The beginning of the log")).to_be_visible()
        assert len({await row.get_attribute("data-event") for row in await rows.all()}) == 70


async def test_the_tail_shows_events_as_they_happen(browser: Browser, url: str, api: Api) -> None:
    before, content, other = unique("before"), unique("c"), unique("other")
    async with opened(browser) as page:
        await open_events(page, url)
        rows = page.get_by_role("list", name="Events, newest first").get_by_role("link")
        await api.publish(post(before))  # between the list and its tail
        await page.get_by_role("switch", name="Live tail").check()
        await expect(page.get_by_text("following")).to_be_visible()
        await expect(rows.filter(has_text=f"Post {before}")).to_have_count(1)
        await api.publish(post(content))
        await expect(rows.filter(has_text=f"Post {content}")).to_have_count(1)
        await expect(rows.first).to_contain_text(f"Post {content}")
        await page.get_by_label("Type").select_option("content.liked")
        await api.publish(post(other), about("liked", other, "ann"))
        await expect(rows.filter(has_text=f"ann liked “Post {other}”")).to_have_count(1)
        await expect(rows.filter(has_text=f"published “Post {other}”")).to_have_count(0)


async def test_the_trace_explains_the_way_of_an_event(browser: Browser, url: str, api: Api) -> None:
    zone, content = unique("zone"), unique("c")
    (event_id,) = await api.publish(post(content, zone=zone))
    async with opened(browser, permissions=["clipboard-read", "clipboard-write"]) as page:
        await open_events(page, url)
        row = page.get_by_role("link").filter(has_text=f"Post {content}")
        await row.click()
        drawer = page.get_by_role("dialog", name="content.created")
        steps = drawer.get_by_role("list").filter(has_text="Accepted").get_by_role("listitem")
        await expect(steps.nth(0)).to_contain_text("Accepted")
        await expect(steps.nth(1)).to_contain_text(re.compile(r"Relayed.*Number \d+ of the log", re.DOTALL))
        await expect(drawer.get_by_text("/feed → feed")).to_be_visible()
        await expect(drawer.get_by_text(f"/feed → zone:{zone}")).to_be_visible()
        await expect(drawer.get_by_text("stats: handled")).to_be_visible()
        await expect(drawer.get_by_text(re.compile(r"(\+ \d+|< 1) ms|\+ .* s")).first).to_be_visible()
        await drawer.get_by_role("button", name="Copy JSON").click()
        await expect(drawer.get_by_role("button", name="Copied")).to_be_visible()
        assert json.loads(await page.evaluate("navigator.clipboard.readText()"))["id"] == event_id
        await expect(page).to_have_url(f"{url}/events/{event_id}")
        await page.keyboard.press("Escape")
        await expect(drawer).to_have_count(0)
        await expect(row).to_be_focused()
        await expect(page).to_have_url(f"{url}/events")


STEPS = """trace => import("/web/steps.js").then(({ steps }) =>
    steps(trace).map(({ title, after }) => [title, after]))"""


async def test_the_steps_of_a_trace_are_in_order_of_time(browser: Browser, url: str) -> None:
    def at(ms: int) -> str:
        return f"2026-03-02T12:00:00.{ms:03}Z"

    def decided(channel: str, ms: int) -> dict[str, object]:
        return {"channel": channel, "action": "send", "reason": "preferences", "until": None, "at": at(ms)}

    mail = {"id": "d", "channel": "email", "status": "sent", "reason": None, "attempts": [{"at": at(90)}]}
    later = {**mail, "status": "dropped", "reason": "email_spacing", "attempts": [{"at": at(95)}]}
    trace = {
        "accepted_at": at(0),
        "relayed_at": at(10),
        "seq": 1,
        "groups": [
            {"group": "stats", "state": "handled", "at": at(60), "attempts": 1},
            {"group": "early", "state": "handled", "at": at(5), "attempts": 1},
            {"group": "late", "state": "waiting", "at": None, "attempts": 0},
        ],
        "notifications": [
            {"user": "ann", "notification_id": "1", "decisions": [decided("push", 30)], "deliveries": [mail]},
            {"user": "bob", "notification_id": "2", "decisions": [decided("sms", 40)], "deliveries": [later]},
        ],
    }
    async with opened(browser) as page:
        await page.goto(url)
        assert await page.evaluate(STEPS, trace) == [
            ["Accepted", None],
            ["Relayed", 10],
            ["early: handled", None],
            ["ann: send on Push", 25],
            ["bob: send on SMS", 10],
            ["stats: handled", 20],
            ["late: waiting", None],
            ["ann: sent by E-mail", 30],
            ["bob: gathered by E-mail", 5],
        ]


async def test_a_card_of_the_feed_leads_to_its_trace(browser: Browser, url: str, api: Api) -> None:
    content = unique("c")
    async with opened(browser, PHONE) as page:
        await sign_in(page, url, "admin")
        await api.publish(post(content))
        card = page.get_by_role("article").filter(has_text=f"Post {content}")
        await card.get_by_role("link", name="Trace").click()
        await expect(page.get_by_role("dialog", name="content.created")).to_contain_text("Relayed")
        await page.reload()
        await expect(page.get_by_role("dialog", name="content.created")).to_contain_text("Relayed")


async def test_an_event_that_does_not_exist_is_named_as_such(browser: Browser, url: str) -> None:
    async with opened(browser) as page:
        await open_events(page, url, "/01890a5d-ac96-774b-bcce-b302099a8057")
        await expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("no event has this id")


async def test_who_is_no_admin_does_not_see_the_events_page(browser: Browser, url: str) -> None:
    async with opened(browser) as page:
        await sign_in(page, url, unique("ann"))
        await expect(page.get_by_role("navigation").get_by_role("link", name="Feed")).to_be_visible()
        await expect(page.get_by_role("navigation").get_by_role("link", name="Events")).to_have_count(0)
        await page.keyboard.press("g")
        await page.keyboard.press("e")
        await expect(page.get_by_role("heading", name="Events", exact=True)).to_have_count(0)
        await page.goto(f"{url}/events")
        await live(page)
        await expect(page.get_by_text("The event log is for admins")).to_be_visible()
