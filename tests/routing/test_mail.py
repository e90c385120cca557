"""How a notification reads as a mail."""

from html.parser import HTMLParser

import pytest

from routing.channels.base import Rendered
from routing.mail import TOPICS
from routing.members import PRIORITIES
from routing.model import Endpoint, Notification
from schemas.ids import uuid7
from tests.routing.post import LINKS, MAILS


def mail(**members: str) -> Rendered:
    told = {"topic": "tips", "priority": "immediate", "title": "Bob tipped you", **members}
    notification = Notification(event_id=uuid7(), **told)  # type: ignore[arg-type]  # words of a test
    return MAILS.render(notification, Endpoint(id=uuid7(), channel="email", address="ann@example.com"))


class Words(HTMLParser):
    """What a reader sees, and where the links lead."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.links = "", list[str]()
        self.feed(html)

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value for name, value in attrs if tag == "a" and name == "href" and value]


def test_html_and_plain_text_say_the_same() -> None:
    made = mail(text="Thanks for the show", url="https://example.com/v/1")
    words = Words(made.html or "")
    for said in ("Bob tipped you", "Thanks for the show", "You get mails about tips from hub."):
        assert said in words.text
        assert said in made.text
    for link in words.links:
        assert link in made.text


def test_what_people_write_is_never_markup() -> None:
    made = mail(title="<b>Bob</b>", text="<script>alert(1)</script>")
    assert "<b>Bob" not in (made.html or "")
    assert "<script>" not in (made.html or "")
    assert "<b>Bob</b>" in made.text


def test_a_title_cannot_add_headers() -> None:
    assert mail(title="Hi\r\nBcc: all@example.com").title == "Hi Bcc: all@example.com"


@pytest.mark.parametrize(
    ("url", "leads"),
    [
        ("https://example.com/a", "https://example.com/a"),
        ("/events/1", "https://hub.example.com/events/1"),
        ("javascript:alert(1)", "https://hub.example.com/"),
    ],
)
def test_the_button_leads_to_a_web_page(url: str, leads: str) -> None:
    assert Words(mail(url=url).html or "").links[0] == leads


def test_one_click_unsubscribes_from_the_topic() -> None:
    headers = mail().headers
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    url = headers["List-Unsubscribe"].strip("<>")
    scope = LINKS.read(url.removeprefix("https://hub.example.com/u/"))
    assert (scope.channel, scope.address, scope.topic) == ("email", "ann@example.com", "tips")


def test_mails_suit_a_dark_screen() -> None:
    html = mail().html or ""
    assert "prefers-color-scheme: dark" in html
    assert 'name="color-scheme" content="light dark"' in html


def test_every_topic_has_its_words() -> None:
    assert set(TOPICS) == set(PRIORITIES)
