"""Whose session a browser holds: nobody takes it over unasked, and nothing of it stays behind."""

import pytest
from playwright.async_api import Browser, Page, expect

from tests.e2e.browser import Api, live, opened, sign_in, unique
from tests.hubprocess import HubProcess

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEPT = "JSON.stringify(Object.entries(sessionStorage))"


async def menu_of(page: Page, user: str) -> None:
    await expect(page.get_by_role("button", name=f"Your menu, {user}")).to_be_visible()


async def open_link(page: Page, address: str, *, anew: bool) -> None:
    """Follow a link into the page that is open, or from somewhere else."""
    if anew:
        await page.goto("about:blank")
    await page.goto(address)


@pytest.mark.parametrize("anew", [True, False])
async def test_a_link_does_not_make_somebody_else_of_who_is_signed_in(
    browser: Browser, url: str, hub_process: HubProcess, anew: bool
) -> None:
    ann, mallory = unique("ann"), unique("mallory")
    address = f"{url}/#token={hub_process.token(mallory, 'user', 'publish')}"
    async with opened(browser) as page:
        await sign_in(page, url, ann)
        await open_link(page, address, anew=anew)
        question = page.get_by_role("alertdialog", name=f"Sign in as {mallory}?")
        await expect(question).to_contain_text(f"You are signed in as {ann}")
        assert "token" not in page.url
        await expect(question.get_by_role("button", name=f"Stay signed in as {ann}")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(question).to_be_hidden()
        await live(page)
        await menu_of(page, ann)
        await page.reload()
        await menu_of(page, ann)
        await open_link(page, address, anew=anew)
        await question.get_by_role("button", name=f"Continue as {mallory}").click()
        await menu_of(page, mallory)
        assert ann not in await page.evaluate(KEPT)
        await page.reload()
        await menu_of(page, mallory)


async def test_a_link_does_not_sign_in_unasked_who_is_nobody_yet(
    browser: Browser, url: str, hub_process: HubProcess
) -> None:
    mallory = unique("mallory")
    address = f"{url}/#token={hub_process.token(mallory, 'user', 'publish')}"
    async with opened(browser) as page:
        await page.goto(address)
        await expect(page.get_by_text(f"signs you in as {mallory}")).to_be_visible()
        assert "token" not in page.url
        assert await page.evaluate(KEPT) == "[]"
        await page.get_by_role("button", name="Do not sign in").click()
        await expect(page.get_by_text("pick who you want to be")).to_be_visible()
        await expect(page.get_by_text(mallory)).to_have_count(0)
        await open_link(page, address, anew=False)
        await page.get_by_role("button", name=f"Continue as {mallory}").click()
        await live(page)
        await menu_of(page, mallory)
        await page.reload()
        await menu_of(page, mallory)


async def test_a_new_token_of_the_same_person_is_taken_without_a_question(
    browser: Browser, url: str, hub_process: HubProcess
) -> None:
    user = unique("ann")
    async with opened(browser) as page:
        await page.goto(f"{url}/#token={hub_process.token(user, 'user')}")
        await page.get_by_role("button", name=f"Continue as {user}").click()
        await live(page)
        await expect(page.get_by_role("form", name="Compose")).to_have_count(0)
        await open_link(page, f"{url}/#token={hub_process.token(user, 'user', 'publish')}", anew=True)
        await expect(page.get_by_role("form", name="Compose")).to_be_visible()
        await expect(page.get_by_role("alertdialog")).to_have_count(0)


async def test_a_forged_token_of_the_same_person_does_not_end_the_session(
    browser: Browser, url: str, hub_process: HubProcess
) -> None:
    user = unique("ann")
    head, body, _ = hub_process.token(user, "user", "admin").split(".")
    async with opened(browser) as page:
        await sign_in(page, url, user)
        async with page.expect_response("**/v1/me") as refused:
            await open_link(page, f"{url}/#token={head}.{body}.{'A' * 43}", anew=False)
        assert (await refused.value).status == 401
        assert "token" not in page.url
        await page.reload()
        await live(page)
        await menu_of(page, user)
        await expect(page.get_by_role("navigation").get_by_role("link", name="Events")).to_have_count(0)


async def test_nothing_a_person_was_shown_stays_in_the_browser_after_the_session(
    browser: Browser, url: str, api: Api
) -> None:
    user = unique("ann")
    tip = {"type": "hours.tipped", "actor": "bob", "data": {"to": user, "amount": 100, "note": "between us"}}
    async with opened(browser) as page:
        await sign_in(page, url, user)
        await api.publish(tip)
        await expect(page.get_by_text("between us")).to_be_visible()
        await page.reload()
        await expect(page.get_by_text("between us")).to_be_visible()
        assert "between us" in await page.evaluate(KEPT)
        await page.get_by_role("button", name="Your menu").click()
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        assert await page.evaluate(KEPT) == "[]"
        await page.reload()
        await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        assert await page.evaluate(KEPT) == "[]"
