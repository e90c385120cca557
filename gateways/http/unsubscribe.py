"""Owns the way out of mails: /u/{token}, a page that needs neither a login nor JavaScript (RFC 8058)."""

from collections.abc import Mapping
from typing import Any, Final, Literal, get_args
from urllib.parse import parse_qs

from aiohttp import web
from pydantic import BaseModel, TypeAdapter

from gateways.http.body import read_bytes
from gateways.http.plain import FORM, HTML, Words, page
from gateways.http.route import Call, Reply, Route
from gateways.masking import masked
from gateways.problems import bad_request, invalid
from routing.consent import InvalidLinkError, Scope
from routing.digest import TOPIC as DIGEST
from routing.topics import TOPICS
from schemas.store.consent import EVERY_TOPIC

Choice = Literal["stop", "stop_all", "start"]
CHOICES: Final[tuple[Choice, ...]] = get_args(Choice)

MULTIPART: Final = "multipart/form-data"
MOST_FIELDS: Final = 20
SOURCE: Final = "link"

EARNED: Final = (
    "They came back, or were reported as unwanted. To get them again, sign in to the account they were for,"
    " add the address once more, and follow the link that is sent there."
)
STOP_ALL: Final = ("stop_all", "Unsubscribe from everything")


class Form:
    """What the page's buttons send; a form without a choice, and an empty body, mean to unsubscribe."""

    model: type[BaseModel] | None = None

    async def read(self, request: web.Request) -> Choice:
        if not request.can_read_body:
            return "stop"
        body = await read_bytes(request, (FORM, MULTIPART))
        if request.content_type == MULTIPART:  # one-click of a mail provider: it has one thing to say
            return "stop"
        try:
            fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS)
        except ValueError:
            raise bad_request("the form cannot be read; send `List-Unsubscribe=One-Click`") from None
        return _chosen(fields.get("choice", ["stop"])[0])

    def document(self, reference: Mapping[str, Any]) -> dict[str, Any]:
        one_click = {"List-Unsubscribe": {"const": "One-Click"}}
        choice = {"choice": {"enum": list(CHOICES), "default": "stop"}}
        schema = {"type": "object", "properties": one_click | choice}
        simple = {"type": "object", "properties": one_click}
        return {"required": False, "content": {FORM: {"schema": schema}, MULTIPART: {"schema": simple}}}


def _chosen(word: str) -> Choice:
    for choice in CHOICES:
        if word == choice:
            return choice
    raise invalid([("choice", f"must be one of {', '.join(CHOICES)}; left out, it is stop")])


async def show_unsubscribe(call: Call[None, None]) -> web.Response:
    try:
        scope = call.gateway.notifying.links.read(call.path["token"])
    except InvalidLinkError:
        return _lost()
    consents = call.gateway.notifying.consents
    async with call.gateway.pool.acquire() as conn:
        refused = await consents.refused(conn, scope.channel, scope.address)
        earned = await consents.is_earned(conn, scope.channel, scope.address)
    return page(_words(scope, refused, chosen=None, earned=earned))


async def unsubscribe(call: Call[None, Choice]) -> web.Response:
    try:
        scope = call.gateway.notifying.links.read(call.path["token"])
    except InvalidLinkError:
        return _lost()
    consents = call.gateway.notifying.consents
    async with call.gateway.pool.acquire() as tx, tx.transaction():
        refused = await consents.refused(tx, scope.channel, scope.address)
        earned = await consents.is_earned(tx, scope.channel, scope.address)
        everything = Scope(scope.channel, scope.address)
        if call.body == "start":
            if _is_refused(scope, refused) and not earned:
                # Where everything was refused, consent to one topic alone would change nothing.
                await consents.start(tx, everything if EVERY_TOPIC in refused else scope, source=SOURCE)
        else:
            wanted = everything if call.body == "stop_all" else scope
            if not _is_refused(wanted, refused):
                await consents.stop(tx, wanted, source=SOURCE)
        after = await consents.refused(tx, scope.channel, scope.address)
    return page(_words(scope, after, chosen=call.body, earned=earned))


def _is_refused(scope: Scope, refused: frozenset[str]) -> bool:
    return EVERY_TOPIC in refused or scope.topic in refused


def _words(scope: Scope, refused: frozenset[str], *, chosen: Choice | None, earned: bool) -> Words:
    to, mails = masked(scope.channel, scope.address), _kind(scope)
    about = _about(scope)
    hint = "What you find in the hub itself stays as it is."
    if EVERY_TOPIC in refused:
        return Words(
            heading="You are unsubscribed",
            said=f"No {mails} at all are sent to",
            address=to,
            done=True,
            choices=[] if earned else [("start", f"Send me {mails} again")],
            hint=EARNED if earned else hint,
        )
    if scope.topic in refused:
        return Words(
            heading="You are unsubscribed",
            said=f"No more {mails}{about} are sent to",
            address=to,
            done=True,
            choices=[("start", "Subscribe again"), STOP_ALL],
            hint=hint,
        )
    asked = [("stop", f"Unsubscribe from {mails}{about}" if about else "Unsubscribe")]
    return Words(
        heading="You are subscribed again" if chosen == "start" else "Unsubscribe?",
        said=f"{mails.capitalize()}{about} are sent to",
        address=to,
        done=chosen == "start",
        choices=asked + ([STOP_ALL] if about else []),
        hint=hint,
    )


def _about(scope: Scope) -> str:
    if scope.topic == DIGEST:
        return " with your digest"
    return "" if scope.topic == EVERY_TOPIC else f" about {TOPICS.get(scope.topic, scope.topic)}"


def _kind(scope: Scope) -> str:
    return "mails" if scope.channel == "email" else "messages"


def _lost() -> web.Response:
    words = Words(
        heading="This link does not work",
        said="It is not complete, or not one of this hub's. Copy the whole link from the mail",
        hint="You can also sign in and say what is sent to you.",
    )
    return page(words, 404)


PATH = "/u/{token}"
TOKEN: Final = {"token": TypeAdapter(str)}
REPLIES: Final = {
    200: Reply(description="How things stand, as a page", media_type=HTML),
    404: Reply(description="The link is not complete, or not one of this hub's", media_type=HTML),
}

ROUTES = (
    Route(
        method="GET",
        path=PATH,
        handler=show_unsubscribe,
        summary="See what can be unsubscribed",
        description="Changes nothing: mail scanners open every link.",
        tag="unsubscribe",
        path_types=TOKEN,
        replies=REPLIES,
    ),
    Route(
        method="POST",
        path=PATH,
        handler=unsubscribe,
        summary="Unsubscribe",
        description="RFC 8058: one click, no login. The same twice changes nothing more.",
        tag="unsubscribe",
        path_types=TOKEN,
        body=Form(),
        replies=REPLIES,
    ),
)
