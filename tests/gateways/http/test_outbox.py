"""The outbox of development: what a simulator got, shown to this machine's own pages and to nobody else."""

import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from gateways.gateway import Gateway
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
