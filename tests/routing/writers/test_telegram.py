"""How what is told reads in a chat of Telegram."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.channels.base import UnwritableError
from routing.channels.telegram_text import MOST_UNITS, TelegramText, cut, units
from routing.members import TOPICS
from routing.model import Content
from routing.texts import Texts
from routing.writers.digest import laid_out
from routing.writers.telegram import MOST_ITEMS, TelegramWriter
from tests.routing.writers.told import URL, code, digest, endpoint, item, recipient, tip

WRITER = TelegramWriter(URL)
PARTS = 100
"""Telegram shows no more bold and linked stretches."""


def written(content: Content, locale: str = "en") -> TelegramText:
    made = WRITER.write(content, endpoint("telegram"), recipient(locale), 0)
    assert isinstance(made, TelegramText)
    assert made.text == "".join(part.text for part in made.parts)
    assert 0 < units(made.text) <= MOST_UNITS
    assert sum(part.bold or part.url is not None for part in made.parts) <= PARTS
    return made


def links(made: TelegramText) -> list[str]:
    return [part.url for part in made.parts if part.url]


def test_a_notification_is_its_title_in_bold_its_text_and_a_link() -> None:
    made = written(tip(text="Thanks", url="/tips/1"))
    assert made.text == "Bob tipped you\nThanks\n\nOpen"
    assert [part.text for part in made.parts if part.bold] == ["Bob tipped you"]
    assert links(made) == [f"{URL}/tips/1"]


def test_without_a_text_and_a_link_there_is_only_a_title() -> None:
    assert written(tip()).text == "Bob tipped you"


@pytest.mark.parametrize("url", ["javascript:alert(1)", "tg://resolve?domain=x", "//example.com", "https://"])
def test_a_link_leads_to_a_web_page_or_home(url: str) -> None:
    assert links(written(tip(url=url))) == [f"{URL}/"]


def test_what_people_write_stays_text() -> None:
    nasty = "<b>[x](https://example.com)</b> *y*"
    made = written(tip(title=nasty, text=nasty))
    assert made.text == f"{nasty}\n{nasty}"
    assert links(made) == []


def test_a_digest_is_grouped_by_topic_the_most_urgent_first_and_each_item_leads_somewhere() -> None:
    made = written(
        digest(
            item(topic="follows", title="Eve follows you"),
            item(topic="likes", title="Bob liked your post", url="/p/1"),
            item(topic="likes", title="Dan liked your video"),
        )
    )
    assert made.text == (
        "Your weekly digest\n\nLikes\n• Bob liked your post\n• Dan liked your video"
        "\n\nPeople you follow and new followers\n• Eve follows you\n\nSee all"
    )
    inbox = f"{URL}/notifications"
    assert links(made) == [f"{URL}/p/1", inbox, inbox, inbox]


def test_a_digest_lists_what_a_mail_of_it_lists() -> None:
    told = digest(*(item(topic=topic, title=f"{n}") for topic in ("likes", "tips") for n in range(20)))
    layout = laid_out(told, Texts.of("en"), public_url=URL, tz=None)
    lists = [[group.heading, *(f"• {line.title}" for line in group.lines)] for group in layout.groups]
    made = written(told)
    assert [part.split("\n") for part in made.text.split("\n\n")[1:-1]] == lists
    assert "and 24 more" in made.text


def test_a_digest_is_in_the_language_of_its_reader() -> None:
    german = written(digest(item(), mode="daily"), "de")
    assert "Your daily digest" not in german.text
    assert "See all" not in german.text


def test_of_a_long_digest_the_rest_is_counted() -> None:
    made = written(digest(*(item(topic=topic, url="/p/1") for topic in TOPICS for _ in range(10))))
    assert f"and {len(TOPICS) * 10 - MOST_ITEMS} more" in made.text


@given(st.lists(st.tuples(st.sampled_from(TOPICS), st.text(max_size=400)), min_size=1, max_size=80))
def test_whatever_is_in_a_digest_it_fits_into_one_message(items: list[tuple[str, str]]) -> None:
    written(digest(*(item(topic=topic, title=title or "x", url="/p/1") for topic, title in items)))


def test_a_digest_of_the_longest_titles_fits_and_counts_the_rest() -> None:
    made = written(digest(*(item(title="😀" * 200) for _ in range(30))))
    assert "more" in made.text


def test_no_code_goes_to_telegram() -> None:
    with pytest.raises(UnwritableError):
        written(code("telegram", "123456"))


@given(st.text(alphabet="a😀é", max_size=50), st.integers(2, 20))
def test_what_is_cut_fits_and_halves_no_sign(text: str, most: int) -> None:
    short = cut(text, most)
    assert units(short) <= most
    assert short == text or short.removesuffix("…") == text[: len(short) - 1]
