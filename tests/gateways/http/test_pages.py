"""The browser client's files: what is served, with which headers, and what is not."""

import base64
import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest
from aiohttp import ClientSession, web

from gateways.failures import problems
from gateways.http.pages import SAYS_DEVELOPMENT, SAYS_PRODUCTION, Pages
from tests.gateways.http.served import Caller

INDEX = '<!doctype html><script type="importmap">{"imports":{}}</script><p>the client</p>'
HTML = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small client, and a secret beside it."""
    web_folder = tmp_path / "web"
    library = web_folder / "node_modules" / "lib" / "dist"
    library.mkdir(parents=True)
    (tmp_path / "secret.js").write_text("secret")
    (web_folder / "index.html").write_text(INDEX)
    (web_folder / "docs.html").write_text("<p>the documents</p>")
    (web_folder / "app.js").write_text("export {}")
    (web_folder / "package.json").write_text("{}")
    (web_folder / ".npmrc").write_text("")
    (web_folder / ".hidden.js").write_text("")
    (web_folder / "styles").mkdir()
    (web_folder / "styles" / "base.css").write_text("body {}")
    (library / "lib.mjs").write_text("export {}")
    (library / "private.mjs").write_text("export {}")
    listed = {"/vendor/lib/dist/lib.mjs": "lib/dist/lib.mjs", "/vendor/gone.js": "gone/gone.js"}
    (web_folder / "vendor.json").write_bytes(orjson.dumps(listed))
    return web_folder


@asynccontextmanager
async def serving_pages(pages: Pages) -> AsyncIterator[Caller]:
    app = web.Application(middlewares=[problems])
    pages.add_to(app)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with ClientSession() as session:
        yield Caller(f"http://127.0.0.1:{runner.addresses[0][1]}", session)
    await runner.cleanup()


@pytest.fixture
async def browser(folder: Path) -> AsyncIterator[Caller]:
    async with serving_pages(Pages(folder)) as caller:
        yield caller


async def test_the_client_and_its_files_are_served_with_their_types(browser: Caller) -> None:
    for path, kind, content in (
        ("/", "text/html; charset=utf-8", INDEX),
        ("/docs", "text/html; charset=utf-8", "<p>the documents</p>"),
        ("/web/app.js", "text/javascript; charset=utf-8", "export {}"),
        ("/web/styles/base.css", "text/css; charset=utf-8", "body {}"),
        ("/vendor/lib/dist/lib.mjs", "text/javascript; charset=utf-8", "export {}"),
    ):
        answered = await browser.get(path)
        assert (answered.status, answered.headers["Content-Type"]) == (200, kind), path
        assert answered.body.decode() == content
        assert answered.headers["Cache-Control"] == "no-cache"


async def test_a_file_the_browser_has_is_not_sent_again(browser: Caller) -> None:
    etag = (await browser.get("/web/app.js")).headers["ETag"]
    answered = await browser.get("/web/app.js", headers={"If-None-Match": etag})
    assert (answered.status, answered.body) == (304, b"")


async def test_a_page_the_browser_has_is_not_sent_again_until_it_says_something_else(
    browser: Caller, folder: Path
) -> None:
    first = await browser.get("/")
    etag = first.headers["ETag"]
    answered = await browser.get("/", headers={"If-None-Match": f'"other", {etag}'})
    assert (answered.status, answered.body) == (304, b"")
    for kept in ("ETag", "Content-Security-Policy", "Cache-Control"):
        assert answered.headers[kept] == first.headers[kept]
    (folder / "index.html").write_text(INDEX + "<p>and more</p>")
    assert (await browser.get("/", headers={"If-None-Match": etag})).status == 200


@pytest.mark.parametrize(("development", "said"), [(True, "yes"), (False, "no")])
async def test_the_page_says_whether_there_is_a_development_sign_in(
    folder: Path, development: bool, said: str
) -> None:
    (folder / "index.html").write_text(f'{INDEX}<meta name="hub-development" content="no">')
    async with serving_pages(Pages(folder, development=development)) as browser:
        for path in ("/", "/profile"):
            body = (await browser.get(path, headers=HTML)).body.decode()
            assert f'<meta name="hub-development" content="{said}">' in body


async def test_what_is_not_for_browsers_is_not_served(browser: Caller, folder: Path) -> None:
    (folder / "link.js").symlink_to(folder.parent / "secret.js")
    for path in (
        "/web/package.json",
        "/web/vendor.json",
        "/web/index.html",
        "/web/.npmrc",
        "/web/.hidden.js",
        "/web/none.js",
        "/web/styles",
        "/web/link.js",
        "/web/..%2Fsecret.js",
        "/web/%2e%2e/secret.js",
        "/web/styles/..%2F..%2Fsecret.js",
        "/web//etc/passwd",
        "/web/%00.js",
        f"/web/{'x' * 5000}.js",
        "/web/node_modules/lib/dist/lib.mjs",
        "/vendor/lib/dist/private.mjs",
        "/vendor/lib/dist/..%2Fdist%2Fprivate.mjs",
        "/vendor/../web/app.js%00",
    ):
        answered = await browser.get(path, headers=HTML)
        assert answered.status == 404, path
        assert b"secret" not in answered.body


async def test_a_client_route_that_is_typed_shows_the_client(browser: Caller) -> None:
    for path in ("/events", "/profile", "/events/0199c1de-7c00-7000-8000-000000000001", "/sign-in"):
        assert (await browser.get(path, headers=HTML)).body.decode() == INDEX
    for path, headers in (
        ("/events", {"Accept": "application/json"}),
        ("/v1/nope", HTML),
        ("/health/nope", HTML),
        ("/socket.io/nope", HTML),
        ("/favicon.ico", HTML),
    ):
        assert (await browser.get(path, headers=headers)).status == 404, path
    assert (await browser.post("/events", headers=HTML)).status == 404


async def test_a_page_may_run_our_scripts_and_its_import_map_only(browser: Caller) -> None:
    policy = (await browser.get("/")).headers["Content-Security-Policy"]
    digest = base64.b64encode(hashlib.sha256(b'{"imports":{}}').digest()).decode()
    [scripts] = re.findall("script-src ([^;]*);", policy)
    assert scripts.split() == ["'self'", f"'sha256-{digest}'"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy


async def test_missing_libraries_are_a_clear_503(browser: Caller, folder: Path) -> None:
    assert b"make up" in (await browser.get("/vendor/gone.js")).body
    (folder / "node_modules").rename(folder / "elsewhere")
    for path in ("/", "/docs", "/events", "/vendor/lib/dist/lib.mjs"):
        answered = await browser.get(path, headers=HTML)
        assert answered.status == 503, path
        assert b"make up" in answered.body
    assert (await browser.get("/web/app.js")).status == 200


async def test_the_real_client_is_whole(nobody: Caller) -> None:
    answered = await nobody.get("/", headers=HTML)
    if answered.status == 503:
        pytest.skip("the web client's libraries are not installed")
    assert "<!doctype html>" in answered.body.decode()
    assert SAYS_PRODUCTION in answered.body or SAYS_DEVELOPMENT in answered.body
    for page in ("/", "/docs"):
        body = (await nobody.get(page)).body.decode()
        loaded = re.findall(r'(?:src|href)="(/(?:web|vendor)/[^"]+)"', body)
        assert loaded
        for path in loaded:
            assert (await nobody.get(path)).status == 200, path
