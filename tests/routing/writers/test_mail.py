"""How what is told reads as a mail."""

from dataclasses import replace
from typing import Any

import pytest

from routing.channels.base import Rendered, UnwritableError
from routing.consent import Links
from routing.members import PRIORITIES
from routing.model import Content
from routing.topics import TOPICS
from routing.writers.mail import MailConfig, Mails
from tests.routing.writers.told import URL, Words, code, digest, endpoint, item, recipient, tip

LINKS = Links("a secret of thirty-two bytes, or more")
MAILS = Mails(MailConfig(public_url=URL), LINKS)


def written(content: Content, locale: str = "en", tz: str | None = None) -> Rendered:
    return MAILS.write(content, endpoint("email"), recipient(locale, tz), 0)


def mail(**members: Any) -> Rendered:
    return written(tip(**members))


def topic_of(made: Rendered) -> str:
    """Which topic the way out of a mail leaves."""
    assert made.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    scope = LINKS.read(made.headers["List-Unsubscribe"].strip("<>").removeprefix(f"{URL}/u/"))
    assert (scope.channel, scope.address) == ("email", "ann@example.com")
    return scope.topic


def test_html_and_plain_text_say_the_same() -> None:
    made = mail(text="Thanks for the show", url="https://example.com/v/1")
    words = Words(made.html or "")
    for said in ("Bob tipped you", "Thanks for the show", "You get mails about tips from hub."):
        assert said in words.text
        assert said in made.text
    for link in words.links:
        assert link in made.text


def test_a_mail_is_in_the_language_of_its_reader() -> None:
    made = written(tip(title="Bob hat dir 5,00 HRS Trinkgeld gegeben"), "de")
    words = Words(made.html or "")
    assert (words.lang, Words(mail().html or "").lang) == ("de", "en")
    for said in ("Öffnen", "Du bekommst Mails von hub. Thema: Trinkgelder.", "Keine solchen Mails mehr"):
        assert said in words.text
        assert said in made.text
    assert "Open" not in made.text


def test_what_people_write_is_never_markup() -> None:
    made = mail(title="<b>Bob</b>", text="<script>alert(1)</script>")
    assert "<b>Bob" not in (made.html or "")
    assert "<script>" not in (made.html or "")
    assert "<b>Bob</b>" in made.text


def test_a_title_cannot_add_headers() -> None:
    assert mail(title="Hi\r\nBcc: all@example.com").title == "Hi Bcc: all@example.com"


def test_a_title_of_which_nothing_can_be_shown_has_one_of_ours() -> None:
    assert mail(title="\x00\u202e").title == "News from hub"


@pytest.mark.parametrize(
    ("url", "leads"),
    [
        ("https://example.com/a", "https://example.com/a"),
        ("/events/1", f"{URL}/events/1"),
        ("//evil.example.com/", f"{URL}/"),
        ("javascript:alert(1)", f"{URL}/"),
        ("https://example.com/\r\nBcc: all@example.com", f"{URL}/"),
    ],
)
def test_the_button_leads_to_a_web_page(url: str, leads: str) -> None:
    assert Words(mail(url=url).html or "").links[0] == leads


def test_one_click_unsubscribes_from_the_topic() -> None:
    assert topic_of(mail()) == "tips"


def test_who_is_told_the_same_has_a_way_out_of_their_own() -> None:
    made = [
        MAILS.write(tip(), replace(endpoint("email"), address=who), recipient(), 0) for who in ("a@x", "b@x")
    ]
    outs = [one.headers["List-Unsubscribe"].strip("<>") for one in made]
    assert [LINKS.read(out.removeprefix(f"{URL}/u/")).address for out in outs] == ["a@x", "b@x"]
    for one, out, others in zip(made, outs, reversed(outs), strict=True):
        for form in (one.text, one.html or ""):
            assert form.count(out) == 1
            assert others not in form


def test_what_stands_for_the_way_out_cannot_be_written_by_anybody() -> None:
    made = mail(title="a\0b", text="c\0d", url="https://example.com/\0")
    assert made.title == "ab"
    assert made.text.count(f"{URL}/u/") == 1
    assert (made.html or "").count(f"{URL}/u/") == 1


def test_a_code_is_a_button_without_a_way_out() -> None:
    made = written(code("email", f"{URL}/verify/abc"), "de", "Europe/Berlin")
    words = Words(made.html or "")
    assert (made.title, words.links) == ("Bestätige deine E-Mail-Adresse", [f"{URL}/verify/abc"])
    assert f"Bestätigen: {URL}/verify/abc" in made.text
    for text in (words.text, made.text):
        assert "bis 21. November 2026, 13:00 MEZ" in text
    assert made.headers == {}
    assert made.expires_at is not None


def test_a_code_for_another_channel_is_not_written() -> None:
    with pytest.raises(UnwritableError):
        written(code("sms", "123456"))


def test_a_digest_says_all_of_it_twice_and_each_item_has_its_link() -> None:
    made = written(
        digest(
            item(title="Bob <liked> your post", url="/c/1"),
            item(topic="comments", title="Cy commented on your post", text="Nice"),
        )
    )
    words = Words(made.html or "")
    assert made.title == "Your weekly digest"
    for said in ("Bob <liked> your post", "Cy commented on your post", "Nice", "once a week"):
        assert said in words.text
        assert said in made.text
    for link in words.links:
        assert link in made.text
    assert f"{URL}/c/1" in words.links
    assert topic_of(made) == "digest"


def test_a_mail_that_was_put_off_leaves_the_topic_it_is_about_or_all_of_them() -> None:
    alone = written(digest(item(), kind="spacing"))
    assert (topic_of(alone), alone.title) == ("likes", "Bob liked your post")
    assert "You get mails about likes from hub." in alone.text
    mixed = written(digest(item(), item(topic="tips"), kind="spacing"), "de")
    assert (topic_of(mixed), mixed.title) == ("", "2 neue Benachrichtigungen")
    assert "gesammelt" in mixed.text


def test_mails_suit_a_dark_screen() -> None:
    for made in (mail(), written(digest(item())), written(code("email", f"{URL}/verify/abc"))):
        html = made.html or ""
        assert "prefers-color-scheme: dark" in html
        assert 'name="color-scheme" content="light dark"' in html


def test_every_topic_has_its_words() -> None:
    assert set(TOPICS) == {*PRIORITIES, "digest"}
