"""The outbox of development: what a simulator got, shown to this machine's own pages and to nobody else."""

import socket
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateways.gateway import Gateway
from gateways.http.outbox import CHANNELS, MOST
from gateways.http.pages import page_policy
from ops.simulators.base import Message
from ops.simulators.resend import ResendSimulator
from ops.simulators.running import served
from ops.simulators.svix import Svix
from schemas.clock import SystemClock
from tests.gateways.http.served import Caller, serving

NOWHERE = "http://127.0.0.1:9/webhooks/resend"
SECRET = "whsec_c2ltdWxhdGVkLXNlY3JldC1vZi1yZXNlbmQ="


@pytest.fixture
async def simulator() -> AsyncIterator[tuple[ResendSimulator, str]]:
    clock = SystemClock()
    made, bound = (
        ResendSimulator(clock, Svix(NOWHERE, SECRET, clock)),
        socket.create_server(("127.0.0.1", 0)),
    )
    async with served(made, bound):
        yield made, f"http://127.0.0.1:{bound.getsockname()[1]}"


@pytest.fixture
async def nobody(gateway: Gateway, simulator: tuple[ResendSimulator, str]) -> AsyncIterator[Caller]:
    config = replace(gateway.config, simulators={"resend": simulator[1]})
    async with serving(replace(gateway, config=config)) as caller:
        yield caller


def mail(number: int, *, html: str | None = "<p>Hello</p>") -> Message:
    address, at = f"ann{number % 2}@example.com", f"2026-11-21T06:00:{number:02}Z"
    return Message(id=f"m{number}", address=address, at=at, text="Hello", subject="Hi", html=html, raw={})


async def test_what_arrived_is_listed_the_latest_first(
    nobody: Caller, simulator: tuple[ResendSimulator, str]
) -> None:
    for number in range(4):
        simulator[0].keep(mail(number))
    shown = (await nobody.get("/dev/outbox")).json
    assert shown["simulators"] == ["resend"]
    assert [one["id"] for one in shown["items"]] == ["m3", "m2", "m1", "m0"]
    assert (shown["items"][0]["simulator"], shown["items"][0]["html"]) == ("resend", True)
    assert "raw" not in shown["items"][0]
    theirs = (await nobody.get("/dev/outbox?address=ann1@example.com")).json
    assert [one["id"] for one in theirs["items"]] == ["m3", "m1"]


async def test_the_html_of_a_mail_can_do_nothing_in_its_frame(
    nobody: Caller, simulator: tuple[ResendSimulator, str]
) -> None:
    simulator[0].keep(mail(1))
    simulator[0].keep(mail(2, html=None))
    answered = await nobody.get("/dev/outbox/resend/m1")
    assert answered.body.decode() == '<base target="_blank"><p>Hello</p>'
    assert answered.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = answered.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "sandbox allow-popups" in policy
    assert "allow-scripts" not in policy
    assert "allow-same-origin" not in policy
    assert "frame-ancestors 'self'" in policy
    assert answered.headers["X-Frame-Options"] == "SAMEORIGIN"
    for path in ("resend/m2", "resend/m3", "twilio/m1"):
        assert (await nobody.get(f"/dev/outbox/{path}")).status == 404, path


async def test_foreign_pages_are_refused(nobody: Caller, simulator: tuple[ResendSimulator, str]) -> None:
    simulator[0].keep(mail(1))
    for headers in (
        {"Origin": "https://evil.example.com"},
        {"Host": "evil.example.com"},
        {"Via": "1.1 proxy"},
    ):
        for path in ("/dev/outbox", "/dev/outbox/resend/m1"):
            assert (await nobody.get(path, headers=headers)).status == 403, (path, headers)


async def test_each_simulator_has_its_channel_and_none_crowds_out_the_others(
    gateway: Gateway, simulator: tuple[ResendSimulator, str]
) -> None:
    made, url = simulator
    for number in range(MOST + 5):
        made.keep(mail(number % 60))
    config = replace(gateway.config, simulators=dict.fromkeys([*CHANNELS, "pager"], url))
    async with serving(replace(gateway, config=config)) as nobody:
        items = (await nobody.get("/dev/outbox")).json["items"]
    by_simulator = Counter((one["simulator"], one["channel"]) for one in items)
    assert by_simulator == dict.fromkeys([*CHANNELS.items(), ("pager", None)], MOST)


async def test_a_simulator_that_is_gone_is_said_so(gateway: Gateway) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    config = replace(gateway.config, simulators={"resend": url})
    async with serving(replace(gateway, config=config)) as nobody:
        assert (await nobody.get("/dev/outbox")).status == 503


async def test_in_production_there_is_none(gateway: Gateway) -> None:
    config = replace(gateway.config, dev_secret=None, simulators={"resend": "http://127.0.0.1:9"})
    async with serving(replace(gateway, config=config)) as nobody:
        for path in ("/dev/outbox", "/dev/outbox/resend/m1"):
            assert (await nobody.get(path)).status == 404, path


def test_only_a_page_of_development_may_hold_frames() -> None:
    assert "frame-src 'none'" in page_policy(b"")
    assert "frame-src 'self'" in page_policy(b"", frames=True)


@pytest.fixture
async def heard() -> AsyncIterator[tuple[list[Any], str]]:
    """What a simulator was told, and where it listens."""
    told: list[Any] = []

    async def inbound(request: web.Request) -> web.Response:
        told.append(await request.json())
        status = {"+1": 422}.get(told[-1].get("from"), 200)
        return web.json_response({"ok": told[-1]["text"] != "refused"}, status=status)

    app = web.Application()
    app.router.add_post("/_sim/inbound", inbound)
    async with TestServer(app) as server:
        yield told, str(server.make_url("")).rstrip("/")


@pytest.fixture
async def writer(gateway: Gateway, heard: tuple[list[Any], str]) -> AsyncIterator[Caller]:
    config = replace(gateway.config, simulators={"telegram": heard[1], "twilio": heard[1]})
    async with serving(replace(gateway, config=config)) as caller:
        yield caller


async def test_what_somebody_writes_reaches_their_simulator(
    writer: Caller, heard: tuple[list[Any], str]
) -> None:
    chat = {"simulator": "telegram", "address": " 4242 ", "text": "/start abc"}
    phone = {"simulator": "twilio", "address": "+15550001111", "text": "STOP"}
    for said in (chat, phone):
        assert (await writer.post("/dev/outbox", json=said)).status == 204
    assert heard[0] == [
        {"user": {"id": 4242}, "text": "/start abc"},
        {"from": "+15550001111", "text": "STOP"},
    ]


@pytest.mark.parametrize(
    ("said", "paths"),
    [
        (("telegram", "ann", "Hi"), ["address"]),
        (("telegram", "-1", "Hi"), ["address"]),
        (("telegram", "", "Hi"), ["address"]),
        (("twilio", "+1", "Hi"), ["address"]),
        (("twilio", "+15550001111", ""), ["text"]),
        (("resend", "ann@example.com", "Hi"), ["simulator"]),
    ],
)
async def test_what_cannot_be_written_is_said_at_its_field(
    writer: Caller, said: tuple[str, str, str], paths: list[str]
) -> None:
    body = dict(zip(("simulator", "address", "text"), said, strict=True))
    answered = await writer.post("/dev/outbox", json=body)
    assert (answered.status, answered.paths) == (422, paths)


async def test_what_the_hub_did_not_take_is_said_so(writer: Caller) -> None:
    said = {"simulator": "twilio", "address": "+15550001111", "text": "refused"}
    assert (await writer.post("/dev/outbox", json=said)).status == 503


async def test_nobody_writes_from_elsewhere_or_without_a_simulator(writer: Caller, nobody: Caller) -> None:
    said = {"simulator": "telegram", "address": "4242", "text": "Hi"}
    foreign = {"Origin": "https://evil.example.com"}
    assert (await writer.post("/dev/outbox", json=said, headers=foreign)).status == 403
    assert (await nobody.post("/dev/outbox", json=said)).status == 404
