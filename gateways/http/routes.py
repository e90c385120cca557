"""Owns the table of HTTP routes; a path without placeholders stands before one it would also fit."""

from gateways.config import GatewayConfig
from gateways.http import (
    deliveries,
    dev,
    docs,
    endpoints,
    events,
    export,
    health,
    history,
    inbox,
    me,
    outbox,
    preferences,
    publish,
    tail,
    templates_page,
    unsubscribe,
    users,
    verify_page,
    verifying,
    webhooks,
)
from gateways.http.route import AnyRoute
from gateways.loopback import is_loopback_url

RESOURCES: tuple[AnyRoute, ...] = (
    *publish.ROUTES,
    *tail.ROUTES,
    *events.ROUTES,
    *users.ROUTES,
    *me.ROUTES,
    *export.ROUTES,
    *preferences.ROUTES,
    *endpoints.ROUTES,
    *verifying.ROUTES,
    *inbox.ROUTES,
    *history.ROUTES,
    *deliveries.ROUTES,
    *templates_page.ROUTES,
    *unsubscribe.ROUTES,
    *verify_page.ROUTES,
    *webhooks.ROUTES,
    *health.ROUTES,
)
DOCUMENTS = docs.routes(lambda: PUBLIC)
PUBLIC: tuple[AnyRoute, ...] = (*RESOURCES, *DOCUMENTS)


def in_development(config: GatewayConfig) -> bool:
    """Whether there is a development sign-in: with a secret for it, never where others can reach the hub."""
    alone = config.public_url is None or is_loopback_url(config.public_url)
    return config.dev_secret is not None and alone


def served(config: GatewayConfig) -> tuple[AnyRoute, ...]:
    """The routes of one process."""
    return (*PUBLIC, *dev.ROUTES, *outbox.ROUTES) if in_development(config) else PUBLIC
