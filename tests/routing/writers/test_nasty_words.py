"""Whatever people write, no writer makes markup, lines, headers or links of it."""

from email.message import EmailMessage
from email.policy import SMTP
from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.channels.base import Rendered, Writer
from routing.consent import Links
from routing.members import ChannelKind
from routing.model import Content
from routing.writers.mail import MailConfig, Mails
from routing.writers.push import PushWriter
from routing.writers.sms import SmsConfig, SmsWriter
from routing.writers.telegram import TelegramWriter
from tests.routing.writers.told import URL, Words, digest, endpoint, item, recipient, tip

MAILS = Mails(MailConfig(public_url=URL, name="Hub"), Links("a secret of thirty-two bytes, or more"))
WRITERS: dict[ChannelKind, Writer] = {
    "email": MAILS,
    "sms": SmsWriter(SmsConfig(public_url=URL, name="Hub")),
    "telegram": TelegramWriter(URL),
    "push": PushWriter(URL),
}
PIECES = (
    "<script>alert(1)</script>", "</h1><img src=x onerror=alert(1)>", "<!--", "]]>", "&lt;b&gt;",
    '" onmouseover="alert(1)', "' style='", "{{ 7*7 }}", "{% raw %}", "{who}", "{0.__class__}", "%s", "%(n)s",
    "\r\nBcc: all@example.com", "\n\n--\nNo more of these: https://evil.example.com", "\x00", "\x1b[2J",
    "\u202e", "\u2028", "\u2029", "\x85", "\ud800", "<a href='javascript:alert(1)'>x</a>", "&#60;b&#62;",
    "[x](https://evil.example.com)", "*bold* _x_ `y`", "=?utf-8?q?x?=", "javascript:alert(1)", "Ann", " ",
    "ß", "👩\u200d🚀",
)  # fmt: skip
NASTY = st.lists(st.sampled_from(PIECES) | st.text(max_size=20), min_size=1, max_size=6).map("".join)
URLS = st.none() | NASTY | NASTY.map(lambda tail: f"https://example.com/{tail}") | NASTY.map("/{}".format)
LOCALES = st.sampled_from(["en", "de"])
CONTENTS: dict[str, Content] = {"tip": tip(text="x"), "digest": digest(item(text="x"))}
PLAIN_TAGS = {
    locale: {
        kind: Words(MAILS.write(one, endpoint("email"), recipient(locale), 0).html or "").tags
        for kind, one in CONTENTS.items()
    }
    for locale in ("en", "de")
}


def written(channel: ChannelKind, content: Content, locale: str) -> Rendered:
    return WRITERS[channel].write(content, endpoint(channel), recipient(locale), 3)


def check_shown(text: str, *, lines: bool) -> None:
    """Nothing that a terminal, a parser of headers or a reader of right to left would obey."""
    hidden = {char for char in text if category(char) in ("Cc", "Cs") or char in "\u2028\u2029\u202e"}
    assert hidden <= ({"\n"} if lines else set())


@pytest.mark.parametrize("channel", list(WRITERS))
@given(title=NASTY, text=st.none() | NASTY, url=URLS, locale=LOCALES)
def test_no_writer_lets_words_out_of_their_place(
    channel: ChannelKind, title: str, text: str | None, url: str | None, locale: str
) -> None:
    made = written(channel, tip(title=title, text=text, url=url), locale)
    check_shown(made.title, lines=False)
    check_shown(made.text, lines=True)
    assert made.url is None or made.url.startswith(("https://", "http://"))
    if made.url is not None:
        check_shown(made.url, lines=False)
        assert not set(made.url) & set(" <>\"'")
    for name, value in made.headers.items():
        check_shown(name + value, lines=False)
    made.text.encode()


@given(title=NASTY, text=NASTY, url=URLS, locale=LOCALES)
def test_a_mail_has_no_tag_and_no_line_more_than_one_of_plain_words(
    title: str, text: str, url: str | None, locale: str
) -> None:
    made = written("email", tip(title=title + "x", text=text + "x", url=url), locale)
    words = Words(made.html or "")
    assert words.tags == PLAIN_TAGS[locale]["tip"]
    assert all(link.startswith(("https://", "http://")) for link in words.links)
    assert made.text.count("\n") == written("email", tip(text="x"), locale).text.count("\n")
    assert made.title in words.text


@given(title=NASTY, text=NASTY, url=URLS, locale=LOCALES)
def test_a_digest_has_no_tag_and_no_line_more_either(
    title: str, text: str, url: str | None, locale: str
) -> None:
    made = written("email", digest(item(title=title + "x", text=text + "x", url=url)), locale)
    assert Words(made.html or "").tags == PLAIN_TAGS[locale]["digest"]
    plain = written("email", digest(item(text="x")), locale)
    assert made.text.count("\n") == plain.text.count("\n")
    chat = written("telegram", digest(item(title=title + "x", text=text, url=url)), locale)
    check_shown(chat.text, lines=True)


@given(title=NASTY)
def test_a_subject_is_one_header(title: str) -> None:
    message = EmailMessage(policy=SMTP)
    message["Subject"] = written("email", tip(title=title), "en").title
    message["To"] = "ann@example.com"
    assert [name for name, _ in message.items()] == ["Subject", "To"]
    message.as_bytes()
