"""What proves an address follows from an id and the secret, and from nothing else."""

import base64
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.consent import InvalidLinkError, Links, Scope
from routing.proofs import Proofs

SECRET = "a secret of thirty-two bytes, or more"
PROOFS = Proofs(Links(SECRET))


@given(st.uuids())
def test_every_process_with_the_secret_makes_the_same(one: UUID) -> None:
    again = Proofs(Links(SECRET))
    assert PROOFS.digits(one) == again.digits(one)
    assert again.read(PROOFS.token(one)) == one
    assert len(PROOFS.digits(one)) == 6
    assert PROOFS.digits(one).isdecimal()
    for channel, right in (("sms", PROOFS.digits(one)), ("email", PROOFS.token(one))):
        assert PROOFS.fits(channel, one, right)
        assert not PROOFS.fits(channel, one, right[:-1])
        assert not PROOFS.fits(channel, one, right + "0")


def test_another_secret_makes_others() -> None:
    other = Proofs(Links("another secret of thirty-two bytes"))
    ids = [uuid4() for _ in range(20)]
    assert [other.digits(one) for one in ids] != [PROOFS.digits(one) for one in ids]
    with pytest.raises(InvalidLinkError):
        PROOFS.read(other.token(ids[0]))


def test_codes_are_spread_over_all_digits() -> None:
    firsts = {PROOFS.digits(UUID(int=n))[0] for n in range(500)}
    assert firsts == set("0123456789")


@given(st.text(max_size=60))
def test_what_is_no_link_is_refused(text: str) -> None:
    with pytest.raises(InvalidLinkError):
        PROOFS.read(text)


@given(st.uuids(), st.integers(0, 31), st.integers(1, 255))
def test_a_changed_link_is_refused(one: UUID, place: int, by: int) -> None:
    token = PROOFS.token(one)
    raw = bytearray(base64.urlsafe_b64decode(token + "="))
    raw[place] ^= by
    with pytest.raises(InvalidLinkError):
        PROOFS.read(base64.urlsafe_b64encode(raw).rstrip(b"=").decode())


def test_unsubscribe_links_stay_what_they_were() -> None:
    """Mails that were sent long ago hold them."""
    assert Links(SECRET).token(Scope("email", "ann@example.com", "likes")) == (
        "WyJlbWFpbCIsImFubkBleGFtcGxlLmNvbSIsImxpa2VzIl0.K7_-J32RfgcBk0ai9tnoLw"
    )
