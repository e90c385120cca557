"""What is shown of an address, and of words in which it stands."""

import pytest

from gateways.masking import masked, without, without_mail_addresses


def test_enough_is_left_to_recognise_one_s_own() -> None:
    assert masked("email", "ann@example.com") == "a…@example.com"
    assert masked("sms", "+15550001111") == "+15…11"


@pytest.mark.parametrize("spelled", ["ann@example.com", "Ann@Example.COM", "<ANN@EXAMPLE.COM>"])
def test_an_address_is_hidden_however_it_is_spelled(spelled: str) -> None:
    said = without("ann@example.com", "email", f"no mailbox {spelled} here")
    assert said is not None
    assert "ann@" not in said.lower()
    assert "…@example.com" in said.lower()


def test_of_other_addresses_no_more_is_shown() -> None:
    assert without("ann@example.com", "email", "sent on to bob@example.org.") == "sent on to b…@example.org."
    assert (
        without_mail_addresses("to:'a.b+c@example.com',x@example.org") == "to:'a…@example.com',x…@example.org"
    )
    assert without_mail_addresses("nothing @ all") == "nothing @ all"


def test_a_number_and_a_token_are_hidden_too() -> None:
    assert without("+15550001111", "sms", "+15550001111 is off") == "+15…11 is off"
    assert without("TOKEN-1234567", "push", "token-1234567 is gone") == "…4567 is gone"
    assert without("x", "push", None) is None
