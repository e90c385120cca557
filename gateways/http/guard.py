"""Owns who may call a route, and how often."""

import time
from collections.abc import Callable

from aiohttp import web

from gateways.auth import Principal
from gateways.gateway import Gateway
from gateways.http.route import AnyRoute
from gateways.limits import RateLimiter
from gateways.problems import ProblemError, forbidden, rate_limited, unauthorized


class Guard:
    """Checks the token, the rate, the scope and the standing of a caller, before anything is read."""

    def __init__(self, gateway: Gateway, monotonic: Callable[[], float] = time.monotonic) -> None:
        limits = gateway.config.limits
        self._gateway = gateway
        self._publishing = RateLimiter(limits.publish_rate, limits.publish_burst, monotonic)
        self._users = RateLimiter(limits.user_rate, limits.user_burst, monotonic)
        self._services = RateLimiter(limits.service_rate, limits.service_burst, monotonic)

    async def admit(self, request: web.Request, route: AnyRoute) -> Principal | None:
        """The caller, or None where no token is asked for; raises ProblemError."""
        if not route.scopes:
            return None
        principal = await self._gateway.auth.authenticate(_bearer(request))
        self._count(principal, route)
        if not principal.may(*route.scopes):
            raise _out_of_scope(route)
        await self._check_standing(principal)
        return principal

    def _count(self, principal: Principal, route: AnyRoute) -> None:
        if route.publishes:
            wait = self._publishing.take(principal.token_id)
        elif principal.may("publish"):
            wait = self._services.take(principal.id)
        else:
            wait = self._users.take(principal.id)
        if wait:
            raise rate_limited(wait)

    async def _check_standing(self, principal: Principal) -> None:
        """Refuse the suspended; someone seen for the first time comes to exist."""
        users, pool = self._gateway.users, self._gateway.pool
        user = await users.greet(pool, principal.id, name=principal.name, tz=principal.tz)
        if user.suspended_at is not None:
            raise forbidden("this user is suspended")


def _bearer(request: web.Request) -> str:
    given = request.headers.getall("Authorization", [])
    scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not token.strip():
        problem = unauthorized("send the header `Authorization: Bearer <token>`")
        # RFC 6750: who sent no token is told the scheme only.
        problem.headers["WWW-Authenticate"] = 'Bearer realm="hub"'
        raise problem
    return token.strip()


def _out_of_scope(route: AnyRoute) -> ProblemError:
    needed = " or ".join(f"`{scope}`" for scope in dict.fromkeys((*route.scopes, "admin")))
    problem = forbidden(f"the token needs the scope {needed}")
    scope = " ".join(route.scopes)
    problem.headers["WWW-Authenticate"] = f'Bearer realm="hub", error="insufficient_scope", scope="{scope}"'
    return problem
