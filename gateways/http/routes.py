"""Owns the table of HTTP routes; a path without placeholders stands before one it would also fit."""

from gateways.config import GatewayConfig
from gateways.http import dev, docs, events, health, me, publish, stats, tail, users
from gateways.http.route import AnyRoute

RESOURCES: tuple[AnyRoute, ...] = (
    *publish.ROUTES,
    *tail.ROUTES,
    *events.ROUTES,
    *users.ROUTES,
    *me.ROUTES,
    *stats.ROUTES,
    *health.ROUTES,
)
DOCUMENTS = docs.routes(lambda: PUBLIC)
PUBLIC: tuple[AnyRoute, ...] = (*RESOURCES, *DOCUMENTS)


def served(config: GatewayConfig) -> tuple[AnyRoute, ...]:
    """The routes of one process: the development sign-in only where there is a secret for it."""
    return PUBLIC if config.dev_secret is None else (*PUBLIC, *dev.ROUTES)
