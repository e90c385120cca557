"""The feed in a real browser: what is published over HTTP arrives, once, and people answer to it."""

import json
import re
import shlex

import pytest
from playwright.async_api import Browser, Locator, Page, Route, expect

from tests.e2e.browser import Api, about, card, follow, live, opened, post, sign_in, unique, until_seen
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def write(page: Page, title: str, zone: str = "") -> None:
    await page.get_by_label("Title").fill(title)
    if zone:
        await page.get_by_role("form", name="Compose").get_by_label("Zone").fill(zone)
    await page.get_by_role("button", name="Publish").click()


def proposal(name: str, zone: str) -> dict[str, object]:
    data = {"proposal_id": name, "title": name, "zone": zone}
    return {"type": "governance.proposal_created", "data": data}


async def top_of(shown: Locator) -> int:
    """Where something stands once it has come to rest."""
    await shown.evaluate("(element) => Promise.all(document.getAnimations().map(({ finished }) => finished))")
    return int(await shown.evaluate("(element) => Math.round(element.getBoundingClientRect().top)"))


async def test_a_person_picks_who_they_are_and_is_live(browser: Browser, url: str) -> None:
    async with opened(browser) as page:
        await page.goto(url)
        await page.get_by_role("button", name="Ann ann", exact=True).click()
        await live(page)
        await expect(page.get_by_role("button", name="Your menu, Ann")).to_be_visible()
        await page.reload()
        await live(page)


async def test_a_newcomer_is_told_how_to_publish_the_first_event(browser: Browser, url: str) -> None:
    async with opened(browser, permissions=["clipboard-read", "clipboard-write"]) as page:
        await sign_in(page, url, unique("newcomer"))
        await page.get_by_role("button", name="Copy command").first.click()
        await expect(page.get_by_role("button", name="Copied")).to_be_visible()
        copied = await page.evaluate("navigator.clipboard.readText()")
        assert copied.startswith(".venv/bin/hub publish content.created --data '{")
        await expect(
            page.get_by_text("it shows what happens while it is open, and nothing from before")
        ).to_be_visible()


async def test_the_command_publishes_where_the_newcomer_looks(browser: Browser, url: str) -> None:
    zone = unique("o'hara")
    async with opened(browser, permissions=["clipboard-read", "clipboard-write"]) as page:
        await sign_in(page, url, unique("newcomer"))
        await follow(page, zone)
        await expect(page.get_by_role("heading", name=f"Nothing in {zone} yet")).to_be_visible()
        await page.get_by_role("button", name="Copy command").first.click()
        await expect(page.get_by_role("button", name="Copied")).to_be_visible()
        words = shlex.split(await page.evaluate("navigator.clipboard.readText()"))
        assert words[:4] == [".venv/bin/hub", "publish", "content.created", "--data"]
        shown = json.loads(words[4])
        assert shown["zone"] == zone
        await page.reload()
        await expect(page.get_by_label("Command").first).not_to_contain_text(shown["content_id"])


async def test_what_is_published_in_a_followed_zone_appears_exactly_once(
    browser: Browser, url: str, api: Api
) -> None:
    zone, content, vote = unique("berlin"), unique("c"), unique("p")
    async with opened(browser) as page:
        await sign_in(page, url, unique("ann"))
        await follow(page, zone)
        # Only the zone's room hears of a proposal; a post reaches the feed's as well, and we are in both.
        await api.publish(
            proposal(vote, zone), post(content, zone=zone), post(unique("elsewhere"), zone=unique("paris"))
        )
        await expect(page.get_by_role("article").filter(has_text=vote)).to_have_count(1)
        await api.publish(post(unique("last"), zone=zone))
        await expect(page.get_by_role("article").filter(has_text="Post last-")).to_be_visible()
        await expect(card(page, f"Post {content}")).to_have_count(1)
        await expect(page.get_by_text("Post elsewhere-")).to_have_count(0)
        await page.get_by_role("button", name="All", exact=True).click()
        await expect(page.get_by_text("Post elsewhere-")).to_have_count(1)
        await page.reload()
        await live(page)
        await expect(card(page, f"Post {content}")).to_have_count(1)
        await expect(page.get_by_role("button", name=zone, exact=True)).to_be_visible()


async def test_people_answer_to_a_post_and_everyone_sees_it(browser: Browser, url: str, api: Api) -> None:
    author, reader, title = unique("bob"), unique("ann"), unique("Market day")
    async with opened(browser) as page, opened(browser) as other:
        await sign_in(page, url, author)
        await sign_in(other, url, reader)
        await write(page, title, zone="berlin")
        await expect(card(page, title)).to_have_count(1)
        await expect(page.get_by_label("Title")).to_have_value("")
        await expect(card(page, title).get_by_role("button", name="Tip")).to_have_count(0)

        there = card(other, title)
        await there.get_by_role("button", name="Like (0 likes)").click()
        await expect(there.get_by_role("button", name="Unlike (1 like)")).to_be_visible()
        await there.get_by_role("button", name="Comment (0 comments)").click()
        await there.get_by_role("textbox", name="Comment").fill("See you there")
        await other.keyboard.press("Enter")
        await expect(there.get_by_text("See you there")).to_have_count(1)
        await there.get_by_role("button", name=f"Tip {author} (0 tips)").click()
        await there.get_by_role("textbox", name="Amount").fill("2,5")
        await there.get_by_role("textbox", name="Note").fill("for the stalls")
        await there.get_by_role("button", name="Tip 2.50 HRS").click()
        await expect(there.get_by_role("button", name="(1 tip)")).to_contain_text("2.50 HRS")

        here = card(page, title)
        await expect(here.get_by_role("button", name="Like (1 like)")).to_have_attribute(
            "aria-pressed", "false"
        )
        await expect(here.get_by_text("See you there")).to_have_count(1)
        await expect(here.get_by_text("2.50 HRS")).to_be_visible()
        tip = page.get_by_role("article").filter(has_text=f"{reader} tipped you 2.50 HRS")
        await expect(tip).to_have_count(1)
        await expect(tip).to_contain_text("for the stalls")

        await there.get_by_role("button", name="Unlike").click()
        await expect(here.get_by_role("button", name="Like (0 likes)")).to_be_visible()
    done = ["content.commented", "content.liked", "content.unliked", "hours.tipped"]
    assert sorted(await api.done_by(reader)) == done


async def test_a_double_click_publishes_once(browser: Browser, url: str, api: Api) -> None:
    author = unique("bob")
    async with opened(browser) as page:
        await sign_in(page, url, author)
        await page.get_by_label("Title").fill("Only one of me")
        await page.get_by_role("button", name="Publish").dblclick()
        await expect(card(page, "Only one of me")).to_have_count(1)
        await api.publish(post(unique("later")))
        await expect(page.get_by_text("Post later-").first).to_be_visible()
        await expect(card(page, "Only one of me")).to_have_count(1)
    assert await api.done_by(author) == ["content.created"]


async def test_a_publish_that_got_no_answer_is_repeated_with_the_same_key(
    browser: Browser, url: str, api: Api
) -> None:
    author = unique("bob")
    keys: list[str] = []
    async with opened(browser) as page:
        await sign_in(page, url, author)

        async def lose_the_first_answer(route: Route) -> None:
            keys.append(route.request.headers["idempotency-key"])
            if len(keys) > 1:
                return await route.continue_()
            await route.fetch()
            return await route.abort()

        await page.route("**/v1/events", lose_the_first_answer)
        await write(page, "Did it work?")
        await expect(page.get_by_text("The hub cannot be reached")).to_be_visible()
        await expect(page.get_by_label("Title")).to_have_value("Did it work?")
        await page.get_by_role("button", name="Publish").click()
        await expect(page.get_by_label("Title")).to_have_value("")
        await expect(card(page, "Did it work?")).to_have_count(1)
    assert len(set(keys)) == 1
    assert await api.done_by(author) == ["content.created"]


async def test_a_refused_event_shows_the_reason_and_the_field(browser: Browser, url: str) -> None:
    async with opened(browser) as page:
        await sign_in(page, url, unique("bob"))
        await page.get_by_label("Title").evaluate("(input) => input.removeAttribute('maxlength')")
        await write(page, "x" * 301)
        message = page.get_by_role("region", name="Messages").get_by_role("listitem").first
        await expect(message).to_contain_text("data.title")
        await expect(page.get_by_label("Title")).to_have_value("x" * 301)
        await message.get_by_role("button", name="Dismiss").click()
        await expect(message).to_have_count(0)


async def test_every_kind_of_event_has_a_card(browser: Browser, url: str, api: Api) -> None:
    me, zone, stream = unique("ann"), unique("zone"), unique("s")
    async with opened(browser) as page:
        await sign_in(page, url, me)
        for_me = [
            ({"type": "user.followed", "actor": "cleo", "data": {"target": me}}, "cleo follows you"),
            ({"type": "user.subscribed", "actor": "cleo", "data": {"target": me}}, "cleo subscribed to you"),
            ({"type": "hours.earned", "data": {"user": me, "amount": 1250}}, "You earned 12.50 HRS"),
            (
                {"type": "milestone.reached", "data": {"user": me, "kind": "followers", "value": 1000}},
                "You reached 1,000 followers",
            ),
            (
                {
                    "type": "storefront.membership_new",
                    "data": {
                        "creator": me,
                        "member": "bob",
                        "tier": "gold",
                        "amount_cents": 500,
                        "currency": "EUR",
                    },
                },
                "bob became a gold member",
            ),
            ({"type": "system.announced", "data": {"title": zone, "text": "All is well"}}, zone),
        ]
        await api.publish(*(event for event, _ in for_me))
        for _, text in for_me:
            await expect(page.get_by_role("article").filter(has_text=text)).to_have_count(1)
            await expect(page.locator("article.personal").filter(has_text=text)).to_have_count(1)
        started = {"type": "live.started", "data": {"stream_id": stream, "host": "dora", "title": stream}}
        await api.publish(started)
        card_of_stream = page.get_by_role("article").filter(has_text=stream)
        await expect(card_of_stream.get_by_text("Live", exact=True)).to_be_visible()
        await expect(page.get_by_role("complementary").get_by_text(stream)).to_be_visible()
        await api.publish({"type": "live.ended", "data": {"stream_id": stream, "host": "dora"}})
        await expect(card_of_stream).to_contain_text("Ended after")
        await expect(page.get_by_role("complementary").get_by_text(stream)).to_have_count(0)


async def test_votes_and_a_deletion_change_their_card(browser: Browser, url: str, api: Api) -> None:
    zone, question, content = unique("zone"), unique("p"), unique("c")
    async with opened(browser) as page:
        await sign_in(page, url, unique("ann"))
        await follow(page, zone)
        await api.publish(proposal(question, zone))
        shown = page.get_by_role("article").filter(has_text=question)
        await expect(shown).to_contain_text("No votes seen yet")
        vote = {"type": "governance.vote_cast", "data": {"proposal_id": question, "choice": "yes"}}
        await until_seen(lambda: api.publish(vote), shown.get_by_role("meter", name=re.compile("yes: ")))
        await api.publish(post(content, zone=zone))
        await expect(card(page, f"Post {content}")).to_be_visible()
        gone = page.get_by_text("This post by bob was deleted")
        await until_seen(lambda: api.publish(about("deleted", content, "bob")), gone)


async def test_new_posts_wait_while_somebody_reads_further_down(browser: Browser, url: str, api: Api) -> None:
    async with opened(browser) as page:
        await sign_in(page, url, unique("ann"))
        await api.publish(*(post(unique("old")) for _ in range(12)))
        await expect(page.get_by_text("Post old-")).to_have_count(12)
        await page.mouse.wheel(0, 700)
        await until(lambda: page.evaluate("scrollY > 500"))
        read = page.get_by_role("article").nth(6)
        before = await top_of(read)
        await api.publish(*(post(unique("fresh")) for _ in range(3)))
        pill = page.get_by_role("button", name="3 new")
        await expect(pill).to_be_visible()
        assert await top_of(read) == before
        await expect(page.get_by_text("Post fresh-")).to_have_count(0)
        await pill.click()
        await expect(page.get_by_text("Post fresh-")).to_have_count(3)
        await until(lambda: page.evaluate("scrollY === 0"))


async def test_what_is_published_again_is_one_card_that_says_what_was_said_last(
    browser: Browser, url: str, api: Api
) -> None:
    content, between = unique("c"), unique("between")
    async with opened(browser) as page:
        await sign_in(page, url, unique("ann"))
        await api.publish(post(content, title="As it was"))
        one_like = card(page, "As it was").get_by_role("button", name="(1 like)")
        await until_seen(lambda: api.publish(about("liked", content, "cleo")), one_like)
        await api.publish(post(between))
        await expect(card(page, f"Post {between}")).to_be_visible()
        for _ in range(2):
            await api.publish(post(content, title="As it is now"))
        await expect(page.get_by_role("article").first).to_contain_text("As it is now")
        await expect(page.locator(f"[data-content={content}]")).to_have_count(1)
        await expect(card(page, "As it is now").get_by_role("button", name="(1 like)")).to_be_visible()
        gone = page.get_by_text("This post by bob was deleted")
        await api.publish(about("deleted", content, "bob"))
        await expect(gone).to_be_visible()
        await api.publish(post(content, title="Back again"))
        await expect(card(page, "Back again")).to_have_count(1)
        await expect(gone).to_have_count(0)


async def test_a_flood_is_bounded_and_the_page_stays_usable(browser: Browser, url: str, api: Api) -> None:
    async with opened(browser) as page:
        await sign_in(page, url, unique("ann"))
        for _ in range(3):
            await api.publish(*(post(unique("flood")) for _ in range(300)))
        last = unique("last")
        await api.publish(post(last))
        await expect(card(page, f"Post {last}")).to_be_visible()
        assert await page.get_by_role("article").count() <= 200
        await page.get_by_label("Title").fill("Still here")
        await expect(page.get_by_role("button", name="Publish")).to_be_enabled()
