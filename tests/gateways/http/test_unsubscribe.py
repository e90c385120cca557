"""The way out of mails: a page without a login, and one click by the mail provider."""

import re

import pytest

from gateways.gateway import Gateway
from routing.consent import Scope
from schemas.store.consent import Consent
from tests.gateways.http.served import Answered, Caller
from tests.gateways.telling import MAIL

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def link(gateway: Gateway) -> str:
    return "/u/" + gateway.notifying.links.token(Scope("email", MAIL, "likes"))


async def ledger(gateway: Gateway) -> list[Consent]:
    return (await gateway.notifying.ledger.of_address(gateway.pool, "email", MAIL))[::-1]


async def refused(gateway: Gateway) -> set[str]:
    found = await gateway.notifying.ledger.refused(gateway.pool, [("email", MAIL)])
    return set(found.get(("email", MAIL), ()))


def words(answered: Answered) -> str:
    return " ".join(re.sub(r"<[^>]*>", "", answered.body.decode()).split())


def buttons(answered: Answered) -> list[str]:
    return re.findall(r'name="choice" value="(\w+)"', answered.body.decode())


async def test_the_page_says_what_will_be_unsubscribed_and_changes_nothing(
    nobody: Caller, gateway: Gateway, link: str
) -> None:
    page = await nobody.get(link)
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "Mails about likes are sent to a…@example.com." in words(page)
    assert MAIL not in page.body.decode()
    assert buttons(page) == ["stop", "stop_all"]
    assert (await nobody.call("HEAD", link)).status == 200
    assert await ledger(gateway) == []


async def test_the_page_needs_no_script_and_is_kept_by_nobody(nobody: Caller, link: str) -> None:
    page = await nobody.get(link)
    assert "form-action 'self'" in page.headers["Content-Security-Policy"]
    assert (page.headers["Cache-Control"], page.headers["Referrer-Policy"]) == ("no-store", "no-referrer")
    for url in re.findall(r"(?:src|href)=\"(/web/[^\"]+)\"", page.body.decode()):
        assert (await nobody.get(url)).status == 200, url
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=", page.body.decode())


async def test_one_click_unsubscribes_once_however_often_it_comes(
    nobody: Caller, gateway: Gateway, link: str
) -> None:
    for _ in range(3):
        answered = await nobody.post(link, data=ONE_CLICK)
        assert answered.status == 200
        assert "No more mails about likes are sent" in answered.body.decode()
    [entry] = await ledger(gateway)
    assert (entry.topic, entry.allowed, entry.source) == ("likes", False, "link")


async def test_an_empty_body_and_a_multipart_one_do_as_well(nobody: Caller, gateway: Gateway) -> None:
    multipart = (
        b'--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n'
    )
    for topic, options in (
        ("likes", {}),
        ("tips", {"data": multipart, "headers": {"Content-Type": "multipart/form-data; boundary=x"}}),
        ("sales", {"data": {"choice": "stop"}}),
    ):
        link = "/u/" + gateway.notifying.links.token(Scope("email", MAIL, topic))
        assert (await nobody.post(link, **options)).status == 200
    assert await refused(gateway) == {"likes", "tips", "sales"}


@pytest.mark.parametrize("body", [b"choice=bogus", b"choice=", b"List-Unsubscribe=One-Click&choice=Stop"])
async def test_an_unknown_choice_is_refused_and_changes_nothing(
    nobody: Caller, gateway: Gateway, link: str, body: bytes
) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answered = await nobody.post(link, data=body, headers=form)
    assert (answered.status, answered.paths) == (422, ["choice"])
    assert "must be one of stop, stop_all, start" in answered.json["detail"]
    assert await ledger(gateway) == []


async def test_who_changes_their_mind_subscribes_again(nobody: Caller, gateway: Gateway, link: str) -> None:
    stopped = await nobody.post(link, data={"choice": "stop"})
    assert buttons(stopped) == buttons(await nobody.get(link)) == ["start", "stop_all"]
    for _ in range(2):
        started = await nobody.post(link, data={"choice": "start"})
        assert "You are subscribed again" in started.body.decode()
        assert buttons(started) == ["stop", "stop_all"]
    assert [(one.topic, one.allowed) for one in await ledger(gateway)] == [("likes", False), ("likes", True)]


async def test_everything_may_be_stopped_and_started(nobody: Caller, gateway: Gateway, link: str) -> None:
    stopped = await nobody.post(link, data={"choice": "stop_all"})
    assert "No mails at all are sent" in stopped.body.decode()
    assert buttons(stopped) == ["start"]
    await nobody.post(link, data=ONE_CLICK)
    assert await refused(gateway) == {""}
    await nobody.post(link, data={"choice": "start"})
    assert await refused(gateway) == set()


@pytest.mark.parametrize("source", ["bounce", "complaint", "suppressed"])
async def test_a_link_does_not_undo_a_bounce_or_a_complaint(
    nobody: Caller, gateway: Gateway, link: str, source: str
) -> None:
    async def refuse(source: str) -> None:
        async with gateway.pool.acquire() as tx, tx.transaction():
            await gateway.notifying.consents.stop(tx, Scope("email", MAIL.upper()), source=source)

    await refuse("link")
    assert buttons(await nobody.get(link)) == ["start"]
    await refuse(source)
    await refuse("settings")  # who says so after all has not undone what came before
    shown = await nobody.get(link)
    assert "add the address once more, and follow the link" in words(shown)
    assert buttons(shown) == buttons(await nobody.post(link, data={"choice": "start"})) == []
    assert await refused(gateway) == {""}
    async with gateway.pool.acquire() as tx, tx.transaction():
        await gateway.notifying.consents.start(tx, Scope("email", MAIL), source="settings")
    await nobody.post(link, data={"choice": "stop_all"})
    await nobody.post(link, data={"choice": "start"})
    assert await refused(gateway) == set()


async def test_a_link_of_all_topics_speaks_of_all(nobody: Caller, gateway: Gateway) -> None:
    link = "/u/" + gateway.notifying.links.token(Scope("email", MAIL))
    page = await nobody.get(link)
    assert "Mails are sent to a…@example.com." in words(page)
    assert buttons(page) == ["stop"]
    await nobody.post(link)
    assert await refused(gateway) == {""}


async def test_a_changed_link_does_nothing(nobody: Caller, gateway: Gateway, link: str) -> None:
    for wrong in (
        link[:-1],
        link[:-1] + "é",
        "/u/x",
        "/u/x.y",
        link.replace(".", "x"),
        "/u/%00",
        "/u/a%2Fb",
    ):
        for answered in (await nobody.get(wrong), await nobody.post(wrong, data=ONE_CLICK)):
            assert answered.status == 404, wrong
            assert "This link does not work" in answered.body.decode()
    assert await ledger(gateway) == []


async def test_what_is_no_form_is_refused(nobody: Caller, gateway: Gateway, link: str) -> None:
    assert (await nobody.post(link, json={})).status == 415
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await nobody.post(link, data=b"choice=\xff", headers=form)).status == 400
    assert (await nobody.post(link, data=b"&".join([b"a=1"] * 50), headers=form)).status == 400
    assert (await nobody.post(link, data=b"a" * 1_000_001, headers=form)).status == 413
    assert await ledger(gateway) == []
