"""How a digest is laid out: by topic, with links, in the person's language."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest

from routing.model import Digest, DigestItem
from routing.texts import Texts
from routing.writers.digest import MOST_LINES, heading, laid_out, title, unsubscribes_from
from schemas.events.notifications import Topic
from schemas.ids import uuid7

NOW = datetime(2026, 11, 23, 7, tzinfo=UTC)
ENGLISH, GERMAN = Texts.of("en"), Texts.of("de")
HUB = "https://hub.example.com"


def item(topic: Topic = "likes", name: str = "Bob liked your post", **members: Any) -> DigestItem:
    told = {"text": None, "url": None, "at": NOW, "count": 1, "notification_id": uuid7(), **members}
    return DigestItem(topic=topic, title=name, **told)


def digest(
    *items: DigestItem,
    kind: Literal["scheduled", "spacing"] = "scheduled",
    mode: Literal["daily", "weekly"] = "weekly",
) -> Digest:
    return Digest(id=uuid7(), kind=kind, mode=mode, items=items)


def lines(one: Digest, texts: Texts = ENGLISH, tz: str | None = None) -> dict[str, list[str]]:
    layout = laid_out(one, texts, public_url=HUB, tz=tz)
    return {group.heading: [line.title for line in group.lines] for group in layout.groups}


def test_topics_stand_together_the_most_urgent_first_and_the_latest_item_first_in_each() -> None:
    older = NOW - timedelta(hours=1)
    found = lines(
        digest(
            item("announcements", "A"), item("likes", "old", at=older), item("tips", "T"), item(name="new")
        )
    )
    assert list(found.items()) == [("Tips", ["T"]), ("Likes", ["new", "old"]), ("Announcements", ["A"])]


def test_of_a_topic_so_many_are_shown_and_the_rest_is_counted() -> None:
    layout = laid_out(digest(*[item() for _ in range(MOST_LINES + 3)]), ENGLISH, public_url=HUB, tz=None)
    [group] = layout.groups
    assert (len(group.lines), group.more) == (MOST_LINES, "and 3 more")
    assert layout.said == f"{MOST_LINES + 3} things that you have not read yet"
    [whole] = laid_out(digest(*[item()] * MOST_LINES), ENGLISH, public_url=HUB, tz=None).groups
    assert whole.more == ""


@pytest.mark.parametrize(
    ("url", "leads"),
    [
        ("https://example.com/p/1", "https://example.com/p/1"),
        ("/p/1", f"{HUB}/p/1"),
        (None, f"{HUB}/notifications"),
        ("javascript:alert(1)", f"{HUB}/"),
    ],
)
def test_each_line_leads_to_where_it_happened_or_to_the_inbox(url: str | None, leads: str) -> None:
    layout = laid_out(digest(item(url=url)), ENGLISH, public_url=HUB, tz=None)
    assert layout.groups[0].lines[0].url == leads
    assert layout.url == f"{HUB}/notifications"


def test_a_weekly_digest_says_the_day_and_a_daily_one_the_time_as_the_persons_clock_shows_it() -> None:
    late = item(at=datetime(2026, 11, 22, 23, 30, tzinfo=UTC))
    [weekly] = laid_out(digest(late), ENGLISH, public_url=HUB, tz="Europe/Berlin").groups
    [daily] = laid_out(digest(late, mode="daily"), ENGLISH, public_url=HUB, tz="Europe/Berlin").groups
    assert (weekly.lines[0].at, daily.lines[0].at) == ("23 November 2026", "00:30")


def test_what_was_only_put_off_is_called_as_what_is_in_it() -> None:
    assert title(digest(item()), ENGLISH) == "Your weekly digest"
    assert title(digest(item(), mode="daily"), ENGLISH) == "Your daily digest"
    assert title(digest(item(), kind="spacing"), ENGLISH) == "Bob liked your post"
    assert title(digest(item(), item(), kind="spacing"), ENGLISH) == "2 new notifications"


def test_it_is_said_in_the_persons_language() -> None:
    assert (heading("comments", ENGLISH), heading("comments", GERMAN)) == ("Comments", "Kommentare")
    for one in (digest(item()), digest(item(), mode="daily"), digest(item(), item(), kind="spacing")):
        assert title(one, GERMAN) != title(one, ENGLISH)
        german, english = (laid_out(one, texts, public_url=HUB, tz=None).said for texts in (GERMAN, ENGLISH))
        assert german != english


def test_what_strangers_wrote_stays_one_line_without_marks_that_turn_the_text() -> None:
    [group] = laid_out(
        digest(item(name="Bob\n\u202eliked", text="a\r\nb" * 200)), ENGLISH, public_url=HUB, tz=None
    ).groups
    [line] = group.lines
    assert line.title == "Bob liked"
    assert "\n" not in line.text
    assert len(line.text) <= 160


def test_who_unsubscribes_leaves_what_the_mail_was_about() -> None:
    assert unsubscribes_from(digest(item())) == "digest"
    assert unsubscribes_from(digest(item(), item(), kind="spacing")) == "likes"
    assert unsubscribes_from(digest(item(), item("tips"), kind="spacing")) == ""
