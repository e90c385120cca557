"""Owns the table of HTTP routes; a path without placeholders stands before one it would also fit."""

from gateways.address import is_loopback_url
from gateways.config import GatewayConfig
from gateways.http import dev, docs, events, health, me, publish, tail, users
from gateways.http.route import AnyRoute

RESOURCES: tuple[AnyRoute, ...] = (
    *publish.ROUTES,
    *tail.ROUTES,
    *events.ROUTES,
    *users.ROUTES,
    *me.ROUTES,
    *health.ROUTES,
)
DOCUMENTS = docs.routes(lambda: PUBLIC)
PUBLIC: tuple[AnyRoute, ...] = (*RESOURCES, *DOCUMENTS)


def served(config: GatewayConfig) -> tuple[AnyRoute, ...]:
    """The routes of one process.

    The development sign-in only where there is a secret for it, and never where others can reach the hub.
    """
    alone = config.public_url is None or is_loopback_url(config.public_url)
    return (*PUBLIC, *dev.ROUTES) if config.dev_secret is not None and alone else PUBLIC
