"""Owns the headers that every answer carries: security, and which other origins may read it (CORS)."""

from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler

from gateways.address import origin_allowed
from gateways.config import GatewayConfig
from gateways.problems import forbidden

API_POLICY = "default-src 'none'; frame-ancestors 'none'"
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": API_POLICY,
}
SERVER = "hub"  # instead of the versions of what it is made of
METHODS = "GET, PUT, POST, PATCH, DELETE"
OWN_FORMS = ("/u/", "/verify/")  # posted by our own pages, whose Origin is "null": they send no referrer
REQUEST_HEADERS = "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, traceparent, tracestate"
EXPOSED = "Retry-After, WWW-Authenticate, X-Trace-Id, traceparent"


class Cors:
    """Lets pages of the allowed origins use the HTTP interface; by default only our own pages can.

    Sockets answer for themselves: they check the origin before anything is sent.
    """

    def __init__(self, config: GatewayConfig) -> None:
        self._config = config

    @web.middleware
    async def preflight(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        asks = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        if not asks or not self._concerns(request):
            return await handler(request)
        if not origin_allowed(request, self._config.allowed_origins, self._config.public_url):
            raise forbidden("pages of this origin may not use the hub; see HUB_ALLOWED_ORIGINS")
        return web.Response(
            status=204,
            headers={
                "Access-Control-Allow-Methods": METHODS,
                "Access-Control-Allow-Headers": REQUEST_HEADERS,
                "Access-Control-Max-Age": "600",
            },
        )

    async def add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        """Name the origin in the answer (a signal, so that errors and streams carry it, too)."""
        if not self._concerns(request):
            return
        response.headers.add("Vary", "Origin")
        origin = request.headers.get("Origin")
        if origin and origin_allowed(request, self._config.allowed_origins, self._config.public_url):
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = EXPOSED

    @staticmethod
    def _concerns(request: web.Request) -> bool:
        return not request.path.startswith(("/socket.io", "/dev/", *OWN_FORMS))


async def add_security_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = SERVER
    if response.status == HTTPStatus.SWITCHING_PROTOCOLS:
        return  # no page reads them
    for name, value in ALWAYS.items():
        response.headers.setdefault(name, value)
