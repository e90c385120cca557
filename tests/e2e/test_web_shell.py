"""The frame of the web client: keyboard, colours, narrow screens, assistive technology, the profile."""

from pathlib import Path
from typing import Literal

import pytest
from playwright.async_api import Browser, Page, expect

from tests.e2e.browser import PHONE, WIDE, Api, about, live, opened, post, sign_in, stumbling_blocks, unique

VISIBLY_FOCUSED = Path(__file__).with_name("visible_focus.js").read_text()
ROUTES = (
    ("ge", "Events"),
    ("gd", "Deliveries"),
    ("gn", "Notifications"),
    ("gs", "Preferences"),
    ("gp", "Admin"),
    ("gf", "Feed"),
)
LONGEST_MOTION = """Math.max(
  ...document.getAnimations().map(({ effect }) => effect.getComputedTiming().activeDuration), 0)"""

PAGES = (
    "/events",
    "/deliveries",
    "/notifications",
    "/history",
    "/preferences",
    "/outbox",
    "/profile",
    "/nothing/here",
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def background(page: Page) -> str:
    return str(await page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))


async def overflow(page: Page) -> int:
    return int(
        await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    )


async def test_everything_is_reached_by_keyboard(browser: Browser, url: str, api: Api) -> None:
    content = unique("c")
    async with opened(browser) as page:
        await sign_in(page, url, "admin")
        await api.publish(post(unique("another")), post(content))
        await expect(page.get_by_role("article").filter(has_text=f"Post {content}")).to_be_visible()
        await page.reload()
        await live(page)
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("main")).to_be_focused()
        await page.keyboard.press("?")
        help_dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
        await expect(help_dialog).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(help_dialog).to_be_hidden()
        await page.keyboard.press("c")
        await expect(page.get_by_label("Title")).to_be_focused()
        await page.keyboard.type("g e ? /")  # while one writes these are letters
        await expect(page.get_by_label("Title")).to_have_value("g e ? /")
        await page.keyboard.press("Escape")
        await page.keyboard.press("/")
        await expect(page.get_by_label("Follow a zone")).to_be_focused()
        await page.keyboard.press("Escape")
        await page.keyboard.press("j")
        await expect(page.get_by_role("article").first).to_be_focused()
        await page.keyboard.press("j")
        await expect(page.get_by_role("article").nth(1)).to_be_focused()
        await page.keyboard.press("k")
        await expect(page.get_by_role("article").first).to_be_focused()
        for keys, heading in ROUTES:
            for key in keys:
                await page.keyboard.press(key)
            await expect(page.get_by_role("heading", name=heading, exact=True, level=1)).to_be_attached()


async def test_shortcuts_of_single_keys_can_be_switched_off_for_good(browser: Browser, url: str) -> None:
    async with opened(browser) as page:
        await sign_in(page, url, unique("ann"))
        await page.keyboard.press("?")
        help_dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
        await help_dialog.get_by_role("switch", name="Use keyboard shortcuts").uncheck()
        assert await stumbling_blocks(page) == []
        await page.keyboard.press("Escape")
        await expect(help_dialog).to_be_hidden()
        await page.reload()
        await live(page)
        for key in ("?", "c", "/", "g", "p"):
            await page.keyboard.press(key)
        await expect(help_dialog).to_be_hidden()
        await expect(page.get_by_label("Title")).not_to_be_focused()
        await expect(page.get_by_role("heading", name="Feed", level=1)).to_be_attached()
        await page.get_by_role("button", name="Your menu").click()
        await page.get_by_role("button", name="Keyboard shortcuts").click()
        await help_dialog.get_by_role("switch", name="Use keyboard shortcuts").check()
        await page.keyboard.press("Escape")
        await page.keyboard.press("c")
        await expect(page.get_by_label("Title")).to_be_focused()


async def test_the_focus_can_be_seen(browser: Browser, url: str) -> None:
    async with opened(browser) as page:
        await sign_in(page, url, unique("ann"))
        for _ in range(12):
            await page.keyboard.press("Tab")
            assert await page.evaluate(VISIBLY_FOCUSED), await page.evaluate(
                "document.activeElement.outerHTML"
            )


async def test_the_menu_closes_by_escape_and_signs_out(browser: Browser, url: str) -> None:
    async with opened(browser) as page:
        await sign_in(page, url, unique("ann"))
        button = page.get_by_role("button", name="Your menu")
        await button.click()
        await expect(button).to_have_attribute("aria-expanded", "true")
        await page.keyboard.press("Escape")
        await expect(button).to_have_attribute("aria-expanded", "false")
        await expect(button).to_be_focused()
        await button.click()
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        await page.reload()
        await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


async def test_the_colours_follow_the_system_until_one_chooses(browser: Browser, url: str) -> None:
    async with opened(browser, color_scheme="dark") as page:
        await page.goto(url)
        dark = await background(page)
        await page.emulate_media(color_scheme="light")
        light = await background(page)
        assert dark != light
        await page.get_by_role("button", name="Colours: as the system").click()
        await page.get_by_role("button", name="Colours: light").click()
        assert await background(page) == dark
        await page.reload()
        assert await background(page) == dark
        await page.get_by_role("button", name="Colours: dark").click()
        assert await background(page) == light


@pytest.mark.parametrize("path", ["/", *PAGES])
async def test_a_phone_never_scrolls_sideways(browser: Browser, url: str, api: Api, path: str) -> None:
    content = unique("c")
    async with opened(browser, PHONE) as page:
        await page.goto(url)
        await expect(page.get_by_role("button", name="Ann ann", exact=True)).to_be_visible()
        assert await overflow(page) == 0
        await sign_in(page, url, "admin")
        await api.publish(post(content, title="Donaudampfschifffahrtsgesellschaft" * 6, zone="z" * 60))
        await expect(page.locator(f"[data-content={content}]")).to_be_visible()
        await api.publish(*(about("commented", content, "a" * 64, text="w" * 200) for _ in range(3)))
        await page.goto(url + path)
        await live(page)
        assert await overflow(page) == 0


@pytest.mark.parametrize("size", [WIDE, PHONE])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_assistive_technology_finds_its_way(
    browser: Browser, url: str, api: Api, size: tuple[int, int], scheme: Literal["light", "dark"]
) -> None:
    content = unique("c")
    async with opened(browser, size, color_scheme=scheme) as page:
        await page.goto(url)
        await expect(page.get_by_role("button", name="Ann ann", exact=True)).to_be_visible()
        assert await stumbling_blocks(page) == []
        await sign_in(page, url, "admin")
        await api.publish(post(content))
        shown = page.locator(f"[data-content={content}]")
        await shown.get_by_role("button", name="Comment").click()
        assert await stumbling_blocks(page) == []
        await shown.get_by_role("button", name="Tip bob").click()
        await page.get_by_label("Title").focus()
        await page.get_by_role("button", name="Your menu").click()
        assert await stumbling_blocks(page) == []
        for path in ("/events?tail=on", *PAGES):
            await page.goto(url + path)
            await live(page)
            assert await stumbling_blocks(page) == []


@pytest.mark.parametrize("size", [WIDE, PHONE])
async def test_the_documents_open_on_an_overview(browser: Browser, url: str, size: tuple[int, int]) -> None:
    loaded: list[str] = []
    async with opened(browser, size) as page:
        page.on("request", lambda request: loaded.append(request.url))
        await page.goto(f"{url}/docs")
        main = page.get_by_role("main")
        await expect(main.get_by_role("link")).to_have_count(6)
        assert not any("swagger" in one for one in loaded)
        assert await overflow(page) == 0
        await main.get_by_role("link", name="Sockets").click()
        await expect(page.get_by_role("heading", name="Namespace /feed")).to_be_in_viewport()
        await main.get_by_role("link", name="Publish over HTTP").click()
        await expect(page.get_by_role("heading", name="Publish over HTTP")).to_be_in_viewport()
        await page.get_by_role("navigation").get_by_role("link", name="HTTP", exact=True).click()
        await expect(page.get_by_text("Publish one event or a batch")).to_be_visible()
        await page.get_by_role("navigation").get_by_role("link", name="Overview").click()
        await expect(page.get_by_text("Publish one event or a batch")).to_be_hidden()
        await expect(main.get_by_role("link", name="Sockets")).to_be_visible()


async def test_calm_motion_is_respected(browser: Browser, url: str) -> None:
    async with opened(browser, reduced_motion="reduce") as page:
        await sign_in(page, url, unique("ann"))
        await page.get_by_role("button", name="Your menu").click()
        assert await page.evaluate(LONGEST_MOTION) <= 1


async def test_a_profile_is_saved_and_a_wrong_field_says_so(browser: Browser, url: str) -> None:
    async with opened(browser) as page:
        await sign_in(page, url, unique("ann"))
        await page.goto(f"{url}/profile")
        await page.get_by_label("Name").fill("Ann Example")
        await page.get_by_label("Time zone").fill("Mars/Olympus")
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_label("Time zone")).to_have_attribute("aria-invalid", "true")
        await expect(page.get_by_text("time zone of the IANA database")).to_be_visible()
        await page.get_by_label("Time zone").fill("Europe/Berlin")
        await page.get_by_label("Handle").fill("@n!")
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_text("must be 1 to 64 letters, digits or _ . -")).to_be_visible()
        await page.get_by_label("Handle").fill("@ann.example")
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_text("Your profile is saved")).to_be_visible()
        await page.reload()
        await expect(page.get_by_role("heading", name="Ann Example")).to_be_visible()
        await expect(page.get_by_label("Time zone")).to_have_value("Europe/Berlin")
        await expect(page.get_by_label("Handle")).to_have_value("ann.example")
        await page.get_by_label("Name").fill("")
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_text("Your profile is saved")).to_be_visible()
        await page.reload()
        await expect(page.get_by_label("Name")).to_have_value("")
