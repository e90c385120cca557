"""The ledger of consent, and the links that write to it without signing in."""

import pytest

from routing.consent import Consents, InvalidLinkError, Links, Scope
from schemas.clock import SystemClock
from schemas.db import Pool

LINKS = Links("a secret of thirty-two bytes, or more")
SCOPE = Scope("email", "ann@example.com", "tips")


def test_a_link_stands_for_what_it_was_made_for() -> None:
    assert LINKS.read(LINKS.token(SCOPE)) == SCOPE


@pytest.mark.parametrize("token", ["", ".", "x.y", "é.é", "WzFd", "a.b.c", LINKS.token(SCOPE)[:-1]])
def test_a_broken_link_stands_for_nothing(token: str) -> None:
    with pytest.raises(InvalidLinkError):
        LINKS.read(token)


def test_a_changed_link_stands_for_nothing() -> None:
    said, _ = LINKS.token(Scope("email", "bob@example.com")).split(".")
    _, mac = LINKS.token(SCOPE).split(".")
    with pytest.raises(InvalidLinkError):
        LINKS.read(f"{said}.{mac}")


def test_another_hub_signs_otherwise() -> None:
    with pytest.raises(InvalidLinkError):
        Links("another secret of thirty-two bytes!").read(LINKS.token(SCOPE))


async def test_what_was_stopped_may_be_allowed_again_and_both_are_kept(pool: Pool) -> None:
    consents = Consents(SystemClock())
    async with pool.acquire() as tx:
        await consents.stop(tx, SCOPE, source="link")
        assert await consents.refused(tx, "email", "ann@example.com") == {"tips"}
        await consents.start(tx, SCOPE, source="settings", user="ann")
        assert await consents.refused(tx, "email", "ann@example.com") == set()
        rows = await tx.fetch("SELECT allowed, source, user_id FROM consent ORDER BY n")
    assert [tuple(row) for row in rows] == [(False, "link", None), (True, "settings", "ann")]


async def test_consent_to_everything_takes_back_what_was_refused_by_topic(pool: Pool) -> None:
    consents, every = Consents(SystemClock()), Scope("email", "ann@example.com")
    async with pool.acquire() as tx:
        await consents.stop(tx, SCOPE, source="link")
        await consents.stop(tx, every, source="complaint")
        assert await consents.refused(tx, "email", "ann@example.com") == {"", "tips"}
        await consents.start(tx, every, source="settings")
        assert await consents.refused(tx, "email", "ann@example.com") == set()


async def test_capitals_in_a_mail_address_mean_nothing(pool: Pool) -> None:
    consents = Consents(SystemClock())
    async with pool.acquire() as tx:
        await consents.stop(tx, Scope("email", "Ann@Example.com", "tips"), source="link")
        assert await consents.refused(tx, "email", "ann@example.com") == {"tips"}
        assert await consents.refused(tx, "email", "ANN@example.com") == {"tips"}
        await consents.stop(tx, Scope("push", "Token"), source="gone")
        assert await consents.refused(tx, "push", "token") == set()
        await consents.start(tx, Scope("email", "ann@EXAMPLE.com"), source="settings")
        assert await consents.refused(tx, "email", "Ann@Example.com") == set()
        assert (
            await tx.fetch("SELECT FROM consent WHERE channel = 'email' AND address <> lower(address)") == []
        )
