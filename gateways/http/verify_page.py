"""Owns the page that the link of a mail leads to: a click there proves the address, without signing in."""

from typing import Final

from aiohttp import web
from pydantic import TypeAdapter

from gateways.http.endpoint_shown import verifying
from gateways.http.plain import HTML, Words, page
from gateways.http.route import Call, Reply, Route
from gateways.masking import masked
from routing.codes import PAGE
from routing.consent import InvalidLinkError
from routing.verification import Proved
from schemas.store.verifications import Verification

MORE: Final = ("/endpoints", "Where you can be reached")
LOST: Final = Words(
    heading="This link does not work",
    said="It is not complete, or not one of this hub's. Copy the whole link from the mail",
    hint="You can sign in and ask for a new one.",
    more=MORE,
)
OVER: Final = Words(
    heading="This link does not count any more",
    said="Its time is over, it was used, or a newer one was sent",
    hint="Look for a newer mail, or sign in and ask for a new link.",
    more=MORE,
)


async def show_verify(call: Call[None, None]) -> web.Response:
    try:
        one = await verifying(call).of_link(call.gateway.pool, call.path["token"])
    except InvalidLinkError:
        return page(LOST, 404)
    if one is None:
        return page(OVER, 410)
    async with call.gateway.pool.acquire() as conn:
        found = await verifying(call).look(conn, one)
    return _page(found, one)


async def verify(call: Call[None, None]) -> web.Response:
    try:
        one = await verifying(call).of_link(call.gateway.pool, call.path["token"])
    except InvalidLinkError:
        return page(LOST, 404)
    if one is None:
        return page(OVER, 410)
    async with call.gateway.pool.acquire() as tx, tx.transaction():
        found = await verifying(call).prove_by_link(tx, one)
    return _page(found, one)


def _page(found: Proved, one: Verification) -> web.Response:
    address = masked(one.channel, one.address)
    if found.result == "open":
        return page(
            Words(
                heading="Is this address yours?",
                # The id alone: a name may say whatever its owner likes.
                said=f"Notifications of the account {one.user_id} will be sent to",
                address=address,
                choices=[("confirm", "Yes, confirm it")],
                hint="If you did not ask for this, close the page: then no notifications are sent there.",
                more=MORE,
            )
        )
    if found.result in ("proved", "before"):
        return page(
            Words(
                heading="The address is confirmed",
                said=f"Notifications of the account {one.user_id} are sent to",
                address=address,
                done=True,
                hint="You can close this page.",
                more=MORE,
            )
        )
    return page(OVER, 410)


TOKEN: Final = {"token": TypeAdapter(str)}
REPLIES: Final = {
    200: Reply(description="How things stand, as a page", media_type=HTML),
    404: Reply(description="The link is not complete, or not one of this hub's", media_type=HTML),
    410: Reply(description="The link does not count any more", media_type=HTML),
}

ROUTES = (
    Route(
        method="GET",
        path=f"{PAGE}{{token}}",
        handler=show_verify,
        summary="See which address a link confirms",
        description="Changes nothing: mail scanners open every link.",
        tag="verify",
        path_types=TOKEN,
        replies=REPLIES,
    ),
    Route(
        method="POST",
        path=f"{PAGE}{{token}}",
        handler=verify,
        summary="Confirm a mail address",
        description="Needs no login: whoever has the mail has the address. Works once.",
        tag="verify",
        path_types=TOKEN,
        replies=REPLIES,
    ),
)
