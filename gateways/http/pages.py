"""Owns the browser client's files: its pages, its modules, and the libraries it may load."""

import base64
import hashlib
import re
from pathlib import Path

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from gateways.problems import not_found

WEB = Path(__file__).parent.parent / "web"
INLINE_MAP = re.compile(rb"<script type=\"importmap\">(.*?)</script>", re.DOTALL)
TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".webmanifest": "application/manifest+json",
}
NO_CLIENT_ROUTE = (
    "/v1",
    "/web/",
    "/vendor/",
    "/socket.io",
    "/health",
    "/metrics",
    "/dev/",
    "/webhooks/",
    "/u/",
    "/verify/",
)
# What the page reads to know whether it may offer the development sign-in; written for production.
SAYS_PRODUCTION = b'<meta name="hub-development" content="no">'
SAYS_DEVELOPMENT = b'<meta name="hub-development" content="yes">'
FRESH = {"Cache-Control": "no-cache"}  # the browser asks each time, and is told 304 by the ETag
MISSING = "The libraries of the web client are not installed: run `make up`, which fetches them once.\n"


class Pages:
    """Serves files below one folder; nothing outside it, and no library that is not on the list."""

    def __init__(self, folder: Path = WEB, *, development: bool = False) -> None:
        self._development = development
        self._folder = folder.resolve()
        self._libraries = self._folder / "node_modules"

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/", self.index)
        app.router.add_get("/docs", self.docs)
        app.router.add_get("/docs/templates", self.templates)
        app.router.add_get("/web/{path:.+}", self.module)
        app.router.add_get("/vendor/{path:.+}", self.library)
        app.middlewares.append(self.client_routes)

    async def index(self, request: web.Request) -> web.StreamResponse:
        return self._page("index.html", request)

    async def docs(self, request: web.Request) -> web.StreamResponse:
        return self._page("docs.html", request)

    async def templates(self, request: web.Request) -> web.StreamResponse:
        return self._page("templates.html", request, mails=True)

    async def module(self, request: web.Request) -> web.StreamResponse:
        """One of our own files; those of types the browser does not load are not for it."""
        return self._file(self._folder / request.match_info["path"], below=self._folder)

    async def library(self, request: web.Request) -> web.StreamResponse:
        return self._library(request.path)

    @web.middleware
    async def client_routes(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """A page of the client that was typed or reloaded: the client itself knows what it shows."""
        try:
            return await handler(request)
        except web.HTTPNotFound:
            wants_page = "text/html" in request.headers.get("Accept", "")
            ours = not request.path.startswith(NO_CLIENT_ROUTE) and "." not in request.path.rpartition("/")[2]
            if request.method in ("GET", "HEAD") and wants_page and ours:
                return self._page("index.html", request)
            raise

    def _page(self, name: str, request: web.Request, *, mails: bool = False) -> web.StreamResponse:
        if not self._libraries.is_dir():
            return web.Response(status=503, text=MISSING, headers={"Retry-After": "10"})
        page = (self._folder / name).read_bytes()
        if self._development:
            page = page.replace(SAYS_PRODUCTION, SAYS_DEVELOPMENT)
        tag = hashlib.sha256(page).hexdigest()[:32]
        policy = page_policy(page, frames=self._development, mails=mails)
        headers = {"Content-Security-Policy": policy, "Content-Type": "text/html; charset=utf-8"}
        answer = web.Response(body=page, headers=headers | FRESH)
        if any(one.value in (tag, "*") for one in request.if_none_match or ()):
            # With the policy: the headers of a 304 take the place of those the browser has kept.
            answer = web.Response(status=304, headers=headers | FRESH)
        answer.etag = tag
        return answer

    def _library(self, path: str) -> web.StreamResponse:
        relative = orjson.loads((self._folder / "vendor.json").read_bytes()).get(path)
        if relative is None:
            raise not_found("this is not one of the web client's libraries")
        if not (self._libraries / relative).is_file():
            return web.Response(status=503, text=MISSING, headers={"Retry-After": "10"})
        return self._file(self._libraries / relative, below=self._libraries)

    def _file(self, file: Path, *, below: Path) -> web.StreamResponse:
        resolved = _existing(file)
        if resolved is None or not self._may_serve(resolved, below):
            raise not_found("there is no such file")
        charset = "; charset=utf-8" if resolved.suffix in (".js", ".mjs", ".css", ".svg") else ""
        return web.FileResponse(resolved, headers={"Content-Type": TYPES[resolved.suffix] + charset, **FRESH})

    def _may_serve(self, file: Path, below: Path) -> bool:
        if not file.is_relative_to(below) or file.suffix not in TYPES:
            return False
        inside = file.relative_to(below).parts
        return not any(part.startswith(".") for part in inside) and inside[0] != "node_modules"


def _existing(file: Path) -> Path | None:
    """Where a file really is; None for a name that no file can have, too."""
    try:
        resolved = file.resolve()
        return resolved if resolved.is_file() else None
    except (OSError, ValueError):
        return None


def page_policy(page: bytes, *, frames: bool = False, mails: bool = False) -> str:
    """The Content-Security-Policy of a page: scripts of our own only, and its import map by hash.

    `frames`: it may hold what the outbox shows of mails; nothing else of ours lets itself be framed. `mails`:
    it holds mails in frames of its own, whose styles stand in their elements and which inherit this policy.
    """
    maps = INLINE_MAP.findall(page)
    hashes = "".join(f" 'sha256-{base64.b64encode(hashlib.sha256(one).digest()).decode()}'" for one in maps)
    framed = "'self'" if frames else "'none'"
    styles = "'self' 'unsafe-inline'" if mails else "'self'"
    return (
        f"default-src 'none'; script-src 'self'{hashes}; style-src {styles}; "
        "img-src 'self' data: https:; font-src 'self'; connect-src 'self'; manifest-src 'self'; "
        f"frame-src {framed}; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
