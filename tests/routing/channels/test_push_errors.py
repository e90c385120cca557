"""What each refusal of FCM means, as the real library tells of it."""

import asyncio
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from email.utils import format_datetime
from typing import Any
from uuid import uuid4

import orjson
import pytest
from aiohttp import web

from routing.channels.base import Rendered
from routing.channels.push import FcmConfig, PushChannel
from routing.errors import (
    AmbiguousDeliveryError,
    ChannelMisconfiguredError,
    DeliveryError,
    EndpointBusyError,
    EndpointGoneError,
    MessageRejectedError,
    QuotaExceededError,
    TransientDeliveryError,
)
from routing.model import Endpoint
from tests.routing.channels.serving import serving
from tests.simulated import FakeClock

CODE = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
FIELDS = "type.googleapis.com/google.rpc.BadRequest"
QUOTA = "type.googleapis.com/google.rpc.QuotaFailure"
NO_TOKEN = "The registration token is not a valid FCM registration token"


def refusal(status: int, code: str, *details: dict[str, Any], message: str = "no") -> tuple[int, bytes]:
    told = [{"@type": CODE, "errorCode": code}, *details]
    return status, orjson.dumps(
        {"error": {"code": status, "message": message, "status": code, "details": told}}
    )


def about(field: str) -> dict[str, Any]:
    return {"@type": FIELDS, "fieldViolations": [{"field": field, "description": "no"}]}


def limit(subject: str) -> dict[str, Any]:
    return {"@type": QUOTA, "violations": [{"subject": subject, "description": "too much"}]}


def answering(answer: web.Response | None) -> AbstractAsyncContextManager[str]:
    """A server that answers so, or cuts the connection."""

    async def handle(request: web.Request) -> web.Response:
        await request.read()
        if answer is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return web.Response(status=answer.status, body=answer.body, headers=answer.headers)

    return serving(handle)


async def came_of(answer: web.Response | None, clock: FakeClock | None = None) -> DeliveryError:
    async with answering(answer) as url:
        channel = PushChannel(FcmConfig(project="demo", base_url=url), clock or FakeClock())
        try:
            to = Endpoint(id=uuid4(), channel="push", address="device-1", kind="fid")
            with pytest.raises(DeliveryError) as refused:
                await channel.send(Rendered(title="Hi", text="Hello"), to, key="k")
        finally:
            await channel.close()
    return refused.value


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refusal(404, "UNREGISTERED"), EndpointGoneError),
        (refusal(403, "SENDER_ID_MISMATCH"), EndpointGoneError),
        (refusal(400, "INVALID_ARGUMENT", about("message.token")), EndpointGoneError),
        (refusal(400, "INVALID_ARGUMENT", about("message.fid")), EndpointGoneError),
        (refusal(400, "INVALID_ARGUMENT", message=NO_TOKEN), EndpointGoneError),
        (refusal(400, "INVALID_ARGUMENT", about("message.data")), MessageRejectedError),
        (refusal(400, "INVALID_ARGUMENT"), MessageRejectedError),
        (refusal(429, "QUOTA_EXCEEDED"), QuotaExceededError),
        (refusal(429, "QUOTA_EXCEEDED", limit("project:1")), QuotaExceededError),
        (refusal(429, "QUOTA_EXCEEDED", limit("device:1")), EndpointBusyError),
        (refusal(401, "THIRD_PARTY_AUTH_ERROR"), ChannelMisconfiguredError),
        (refusal(401, "APNS_AUTH_ERROR"), ChannelMisconfiguredError),
        (refusal(401, "UNAUTHENTICATED"), ChannelMisconfiguredError),
        (refusal(403, "PERMISSION_DENIED"), ChannelMisconfiguredError),
        (refusal(404, "NOT_FOUND"), ChannelMisconfiguredError),
        (refusal(408, "DEADLINE_EXCEEDED"), AmbiguousDeliveryError),
        (refusal(500, "INTERNAL"), AmbiguousDeliveryError),
        (refusal(503, "UNAVAILABLE"), TransientDeliveryError),
        ((302, b""), ChannelMisconfiguredError),
        ((404, b"<html>not here</html>"), ChannelMisconfiguredError),
        ((413, b"<html>too large</html>"), MessageRejectedError),
        ((502, b"<html><title>502</title></html>"), AmbiguousDeliveryError),
        ((504, b""), AmbiguousDeliveryError),
        ((500, b"[1]"), AmbiguousDeliveryError),
        ((200, b"<html>welcome</html>"), AmbiguousDeliveryError),
        ((200, b'{"ok": true}'), AmbiguousDeliveryError),
        ((200, b"[]"), AmbiguousDeliveryError),
    ],
)
async def test_each_refusal_has_its_meaning(answer: tuple[int, bytes], error: type[DeliveryError]) -> None:
    status, body = answer
    found = await came_of(web.Response(status=status, body=body))
    assert type(found) is error
    assert "device-1" not in str(found)
    assert len(str(found)) <= 300


async def test_a_connection_that_breaks_leaves_it_open_what_was_taken() -> None:
    found = await came_of(None)
    assert type(found) is AmbiguousDeliveryError
    assert "broke" in str(found)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("told", "after"), [("7", 7), ("1e9", 86_400), ("-3", 0), ("moment", 90), ("soon", None), ("", None)]
)
async def test_when_to_come_back_is_heeded(status: int, told: str, after: int | None) -> None:
    clock = FakeClock()
    if told == "moment":
        told = format_datetime(clock.now() + timedelta(seconds=90), usegmt=True)
    code = "QUOTA_EXCEEDED" if status == 429 else "UNAVAILABLE"
    _, body = refusal(status, code)
    found = await came_of(web.Response(status=status, body=body, headers={"Retry-After": told}), clock)
    if status == 429 and not after:  # not at once, whatever it says
        after = 60
    assert found.retry_after == (None if after is None else timedelta(seconds=after))


async def test_a_call_that_is_abandoned_leaves_nothing_behind() -> None:
    async with answering(web.Response(body=b'{"name": "m"}')) as url:
        channel = PushChannel(FcmConfig(project="demo", base_url=url), FakeClock())
        to = Endpoint(id=uuid4(), channel="push", address="device-1", kind="fid")
        sending = asyncio.ensure_future(channel.send(Rendered(title="Hi", text="Hello"), to, key="k"))
        await asyncio.sleep(0)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await channel.close()
