"""Owns the HTTP half of a gateway: routes, pages, and the headers of every answer."""

from aiohttp import web

from gateways.config import check_networks
from gateways.failures import note_begun, problems
from gateways.gateway import Gateway
from gateways.headers import Cors, add_security_headers
from gateways.http.dispatch import add_routes
from gateways.http.pages import Pages
from gateways.http.routes import in_development, served
from gateways.http.tail import TAILS, Tails
from gateways.tracing import add_trace_headers, tracing


def http_application(gateway: Gateway) -> web.Application:
    """Make the application; raises ValueError for a trusted proxy that is no network."""
    config = gateway.config
    check_networks(config.trusted_proxies)
    cors = Cors(config)
    app = web.Application(
        middlewares=[tracing, problems, cors.preflight], client_max_size=config.limits.body_bytes
    )
    app[TAILS] = tails = Tails()
    add_routes(app, served(config), gateway)
    Pages(development=in_development(config)).add_to(app)
    app.on_response_prepare.extend([note_begun, add_trace_headers, add_security_headers, cors.add_headers])
    app.on_shutdown.append(tails.close)
    return app
