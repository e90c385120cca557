"""Owns how a declared route is served: who calls, path, query and body are checked before its handler."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ValidationError

from gateways.gateway import Gateway
from gateways.http.guard import Guard
from gateways.http.route import AnyRoute, Call
from gateways.problems import from_validation, invalid

MAX_PARAMETERS = 100


class Endpoint:
    """One route with what its calls are checked against."""

    def __init__(self, route: AnyRoute, gateway: Gateway, guard: Guard) -> None:
        self._route = route
        self._gateway = gateway
        self._guard = guard

    async def handle(self, request: web.Request) -> web.StreamResponse:
        route = self._route
        who = await self._guard.admit(request, route)
        path = _path(route, request.match_info)
        query = _query(route.query, request)
        body = await route.body.read(request) if route.body else None
        return await route.handler(Call(request, self._gateway, who, path, query, body))


def add_routes(app: web.Application, routes: tuple[AnyRoute, ...], gateway: Gateway) -> None:
    """Serve declared routes; one guard, so that all share the same rates."""
    guard = Guard(gateway)
    for route in routes:
        handle = Endpoint(route, gateway, guard).handle
        app.router.add_route(route.method, route.path, handle)
        if route.method == "GET" and not route.streams:
            app.router.add_route("HEAD", route.path, handle)


def _path(route: AnyRoute, given: Mapping[str, str]) -> dict[str, Any]:
    found = {}
    for name, type_ in route.path_types.items():
        try:
            found[name] = type_.validate_strings(given[name])
        except ValidationError as error:
            raise from_validation(error, name) from None
    return found


def _query(model: type[Any] | None, request: web.Request) -> BaseModel | None:
    if model is None:
        return None
    given = request.query
    if len(given) > MAX_PARAMETERS:
        raise invalid([("", f"must have at most {MAX_PARAMETERS} parameters")])
    twice = [name for name in given if len(given.getall(name)) > 1]
    if twice:
        raise invalid([(name, "is given more than once") for name in dict.fromkeys(twice)])
    try:
        # `?type=` is how forms and clients leave a filter out.
        filled = {name: value for name, value in given.items() if value or name not in model.model_fields}
        found: BaseModel = model.model_validate_strings(filled)
    except ValidationError as error:
        raise from_validation(error) from None
    return found
