"""How what is told reads as SMS."""

from typing import Any

import pytest

from routing.channels.base import UnwritableError
from routing.segments import is_gsm, segments
from routing.writers.sms import SmsConfig, SmsWriter
from tests.routing.writers.told import NOON, URL, code, digest, endpoint, item, recipient, tip

WRITER = SmsWriter(SmsConfig(public_url=f"{URL}/", name="Hub"))
TO = endpoint("sms")
CODE = code("sms", "012345")


def text(**members: Any) -> str:
    return WRITER.write(tip(**members), TO, recipient(), 1).text


def test_it_is_one_line_and_where_it_leads() -> None:
    said = text(text="Thank you,\nfor all!", url="/c/1")
    assert said == "Bob tipped you: Thank you, for all! https://hub.example.com/c/1"


def test_where_there_is_nothing_to_see_there_is_no_link() -> None:
    assert text() == "Bob tipped you"


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "https://example.com/ x",
        "https://example.com/" + "x" * 120,
        "https://example.com/é",
    ],
)
def test_a_link_leads_to_a_page_or_home(url: str) -> None:
    assert text(url=url) == "Bob tipped you https://hub.example.com/"


@pytest.mark.parametrize("letter", ["x", "ж", "😀", "€", "👩‍👩‍👧", "e\u0301"])
def test_a_long_one_is_cut_to_three_segments_and_keeps_its_link(letter: str) -> None:
    said = text(title=letter * 200, text=letter * 1000, url="/c/1")
    assert segments(said) == 3
    assert said.endswith(" https://hub.example.com/c/1")
    kept = said.removesuffix(" https://hub.example.com/c/1").rstrip(".…")
    assert (kept.replace(": ", "").replace(letter, "")) == ""


def test_a_link_as_long_as_may_be_leaves_room_for_words() -> None:
    url = "https://example.com/" + "x" * 100
    said = text(title="😀" * 200, url=url)
    assert said.startswith("😀" * 20)
    assert segments(said) == 3


def test_signs_that_would_double_the_price_are_written_plainly() -> None:
    said = text(title="Bob’s “best” – so far…", text="5\u00a0000")
    assert said == 'Bob\'s "best" - so far...: 5 000'
    assert is_gsm(said)


def test_what_nobody_sees_does_not_arrive() -> None:
    assert text(title="Bob\u202e\x00\r\nfoo\u200b") == "Bob foo\u200b"


def test_what_it_expires_with_goes_along() -> None:
    found = WRITER.write(tip(expires_at=NOON), TO, recipient(), 1)
    assert (found.expires_at, found.urgent, found.topic) == (NOON, True, "tips")


def test_a_code_comes_first_and_says_what_it_is_for() -> None:
    found = WRITER.write(CODE, TO, recipient(), 0)
    assert found.text == "012345 is your code for Hub. Do not tell it to anybody."
    assert (found.expires_at, segments(found.text)) == (NOON, 1)
    assert "012345" not in found.title


def test_a_code_is_told_in_the_language_of_the_person() -> None:
    said = WRITER.write(CODE, TO, recipient("de"), 0).text
    assert said.startswith("012345 ist dein Code")
    assert segments(said) == 1


@pytest.mark.parametrize("priority", ["standard", "batch", "silent"])
def test_only_what_is_immediate_is_written(priority: str) -> None:
    with pytest.raises(UnwritableError, match="immediate"):
        text(priority=priority)


def test_digests_and_links_to_confirm_are_not_written() -> None:
    with pytest.raises(UnwritableError, match="digests"):
        WRITER.write(digest(item()), TO, recipient(), 0)
    with pytest.raises(UnwritableError, match="email"):
        WRITER.write(code("email", f"{URL}/v/1"), TO, recipient(), 0)
