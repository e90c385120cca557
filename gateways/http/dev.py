"""Owns the development sign-in: pick a user, get a token. Without a development secret it does not exist."""

from datetime import timedelta
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from gateways.address import came_through_a_proxy, same_origin
from gateways.auth import COMMAND_LINE, issue
from gateways.http.body import JsonBody
from gateways.http.route import Call, Route, answer
from gateways.loopback import is_loopback_host
from gateways.problems import forbidden
from schemas.ids import UserId
from schemas.store.users import User

TTL = timedelta(hours=12)
LISTED = 200
ADMIN = "admin"
SUGGESTED = {"ann": "Ann", "bob": "Bob", "cleo": "Cleo", ADMIN: "Admin"}


class SignIn(BaseModel):
    """Whom to be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    user: UserId


def _scopes(user: str) -> tuple[str, ...]:
    return ("user", "publish", "admin") if user == ADMIN else ("user", "publish")


def check_local(request: web.Request) -> None:
    """Only this machine, and only our own pages.

    A foreign page may send requests here through its visitor's browser: its Origin tells, and where a DNS
    name was rebound to loopback, the Host does. A proxy on this machine makes everyone look near.
    """
    origin = request.headers.get("Origin")
    peer = request.remote or ""
    near = is_loopback_host(request.host) and is_loopback_host(f"[{peer}]" if ":" in peer else peer)
    if not near or came_through_a_proxy(request) or (origin is not None and not same_origin(request, origin)):
        raise forbidden("the development sign-in is for pages of this machine; use `hub token` elsewhere")


async def list_users(call: Call[None, None]) -> web.Response:
    check_local(call.request)
    known = {user.id: user for user in await call.gateway.users.list(call.gateway.pool, limit=LISTED)}
    ids = [one for one in dict.fromkeys([*SUGGESTED, *known]) if one != COMMAND_LINE]  # no person to be
    return answer({"users": [_shown(one, known.get(one)) for one in ids]})


def _shown(user: str, known: User | None) -> dict[str, Any]:
    return {
        "id": user,
        "name": (known.name if known else None) or SUGGESTED.get(user),
        "roles": list(known.roles if known else ()) or ([ADMIN] if user == ADMIN else []),
        "scopes": list(_scopes(user)),
        "suspended": known is not None and known.suspended_at is not None,
    }


async def sign_in(call: Call[None, SignIn]) -> web.Response:
    check_local(call.request)
    user, config = call.body.user, call.gateway.config
    if config.dev_secret is None:
        raise LookupError("the route is only served with a development secret")
    token = issue(config.dev_secret, user, _scopes(user), TTL, call.gateway.clock, name=SUGGESTED.get(user))
    return answer({"token": token, "user": user, "scopes": list(_scopes(user))})


ROUTES = (
    Route(method="GET", path="/dev/users", handler=list_users, summary="Users to sign in as", tag="dev"),
    Route(
        method="POST",
        path="/dev/sign-in",
        handler=sign_in,
        summary="Sign in without a password",
        tag="dev",
        body=JsonBody(SignIn),
    ),
)
