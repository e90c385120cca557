"""The page that the link of a mail leads to: looking changes nothing, a click proves the address, once."""

import asyncio
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from gateways.gateway import Gateway
from routing.consent import Consents, Scope
from routing.proofs import Proofs
from tests.gateways.http.proving import PATH, add, link, state
from tests.gateways.http.served import Caller, serving
from tests.gateways.telling import MAIL
from tests.simulated import FakeClock


@pytest.fixture
def ann(nobody: Caller) -> Caller:
    return nobody.being("ann")


async def test_looking_changes_nothing_and_a_click_proves(
    nobody: Caller, ann: Caller, gateway: Gateway
) -> None:
    made = await add(ann, "email", MAIL)
    there = await link(gateway, made["id"])
    for method in ("GET", "HEAD", "GET"):
        assert (await nobody.call(method, there)).status == 200
    page = (await nobody.get(there)).body.decode()
    assert "Is this address yours?" in page
    assert "a…@example.com" in page
    assert MAIL not in page
    assert await state(ann, made["id"]) == "pending"
    done = await nobody.post(there, data={"choice": "confirm"})
    assert (done.status, "The address is confirmed" in done.body.decode()) == (200, True)
    assert await state(ann, made["id"]) == "active"
    assert "The address is confirmed" in (await nobody.get(there)).body.decode()


async def test_the_page_needs_no_script_and_is_kept_by_nobody(
    nobody: Caller, ann: Caller, gateway: Gateway
) -> None:
    page = await nobody.get(await link(gateway, (await add(ann, "email", MAIL))["id"]))
    assert "form-action 'self'" in page.headers["Content-Security-Policy"]
    assert (page.headers["Cache-Control"], page.headers["Referrer-Policy"]) == ("no-store", "no-referrer")
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=", page.body.decode())


async def test_many_clicks_at_once_prove_once(nobody: Caller, ann: Caller, gateway: Gateway) -> None:
    made = await add(ann, "email", MAIL)
    there = await link(gateway, made["id"])
    answered = await asyncio.gather(*(nobody.post(there) for _ in range(6)))
    assert {one.status for one in answered} == {200}
    assert await gateway.pool.fetchval("SELECT count(*) FROM verifications WHERE used_at IS NOT NULL") == 1


async def test_a_used_link_does_not_prove_the_address_brought_again(
    nobody: Caller, ann: Caller, gateway: Gateway
) -> None:
    made = await add(ann, "email", MAIL)
    there = await link(gateway, made["id"])
    assert (await nobody.post(there)).status == 200
    await ann.call("DELETE", f"{PATH}/{made['id']}")
    assert (await nobody.get(there)).status == 410
    await add(ann, "email", MAIL)
    assert (await nobody.post(there)).status == 410
    assert await state(ann, made["id"]) == "pending"


async def test_a_link_ends_after_a_day_or_with_the_next_one(gateway: Gateway) -> None:
    clock = FakeClock()
    notifying = replace(gateway.notifying, consents=Consents(clock))
    async with serving(replace(gateway, clock=clock, notifying=notifying)) as nobody:
        ann = nobody.being("ann")
        made = await add(ann, "email", MAIL)
        first = await link(gateway, made["id"])
        clock.go(timedelta(hours=1))
        assert (await ann.post(f"{PATH}/{made['id']}/code")).status == 202
        second = await link(gateway, made["id"])
        assert (await nobody.post(first)).status == 410
        clock.go(timedelta(hours=23, minutes=59))
        assert (await nobody.get(second)).status == 200
        clock.go(timedelta(minutes=1))
        assert (await nobody.post(second)).status == 410
        assert await state(ann, made["id"]) == "pending"
    # A link that counts no more is no wrong try: others may have the old mail.
    assert await gateway.pool.fetchval("SELECT sum(tries) FROM verifications") == 0


async def test_a_changed_link_or_one_of_a_phone_does_nothing(
    nobody: Caller, ann: Caller, gateway: Gateway
) -> None:
    there = await link(gateway, (await add(ann, "email", MAIL))["id"])
    phone = await link(gateway, (await add(ann))["id"])
    for wrong in (
        there[:-2],
        there[:-2] + "AA",
        there + "A",
        "/verify/x",
        "/verify/%00",
        "/verify/a%2Fb",
        phone,
    ):
        for answered in (await nobody.get(wrong), await nobody.post(wrong)):
            assert answered.status == 404, wrong
            assert "This link does not work" in answered.body.decode()
    states = await gateway.pool.fetch("SELECT DISTINCT state FROM endpoints")
    assert [row["state"] for row in states] == ["pending"]


async def test_a_link_of_something_forgotten_counts_no_more(
    nobody: Caller, ann: Caller, gateway: Gateway
) -> None:
    there = await link(gateway, (await add(ann, "email", MAIL))["id"])
    await gateway.pool.execute("DELETE FROM verifications")
    assert (await nobody.get(there)).status == (await nobody.post(there)).status == 410


async def test_a_signature_of_another_purpose_is_none_here(nobody: Caller, gateway: Gateway) -> None:
    unsubscribe = gateway.notifying.links.token(Scope("email", MAIL))
    assert (await nobody.get(f"/verify/{unsubscribe}")).status == 404
    token = Proofs(gateway.notifying.links).token(await gateway.pool.fetchval("SELECT gen_random_uuid()"))
    assert (await nobody.get(f"/u/{token}")).status == 404
