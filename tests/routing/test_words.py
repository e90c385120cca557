"""How templates are filled with what an event holds, and titles told anew as more people join in."""

from datetime import UTC, datetime

import pytest

from routing.text import Headline
from routing.texts import Texts
from routing.words import fill, retitled
from schemas.events.base import Event
from schemas.events.governance import GovernanceProposalCreated
from schemas.events.hours import HoursTipped
from schemas.events.storefront import StorefrontPurchased
from schemas.events.system import MilestoneReached

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
TIP = HoursTipped(to="ann", amount=123_456, note="Danke\n{who}", actor="bob")
SALE = StorefrontPurchased(order_id="o", seller="ann", buyer="bob", amount_cents=1_200, currency="EUR")
VOTE = GovernanceProposalCreated(proposal_id="p", title="Bees", closes_at=NOON)


@pytest.mark.parametrize(
    ("template", "event", "english", "german"),
    [
        ("{who}: {hours}", TIP, "Bob: 1,234.56 HRS", "Bob: 1.234,56 HRS"),
        ("{note}", TIP, "Danke {who}", "Danke {who}"),
        ("{price}", SALE, "12.00 EUR", "12,00 EUR"),
        ("{item}", SALE, None, None),
        ("{closing}", VOTE, "21 November 2026, 13:00 CET", "21. November 2026, 13:00 MEZ"),
        (
            "{number} {what}",
            MilestoneReached(user="ann", kind="followers", value=1_000),
            "1,000 followers",
            "1.000 Follower",
        ),
        (
            "{what}",
            MilestoneReached(user="ann", kind="open_mic_nights", value=1),
            "open mic nights",
            "open mic nights",
        ),
        ("{what}", MilestoneReached(user="ann", kind="{n} person", value=1), "{n} person", "{n} person"),
    ],
)
def test_braces_are_filled_in_the_language_and_the_zone_of_a_person(
    template: str, event: Event, english: str | None, german: str | None
) -> None:
    made = [
        fill(template, event, Texts.of(locale), limit=200, who="Bob", tz="Europe/Berlin")
        for locale in ("en", "de")
    ]
    assert made == [english, german]


def test_a_headline_grows_with_people_or_with_events() -> None:
    likes = Headline(one="{who} liked your post")
    assert retitled(likes, ["Ann", "Bob", "Cy"], 14) == "Ann, Bob and 12 others liked your post"
    messages = Headline(
        one="{who} sent you a message", many="{who} sent you {count} messages", counts="events"
    )
    assert retitled(messages, ["Ann"], 1) == "Ann sent you a message"
    assert retitled(messages, ["Ann"], 1_200) == "Ann sent you 1,200 messages"
    assert retitled(messages, ["Ann", "Bob", "Cy"], 5) == "Ann, Bob and others sent you 5 messages"


def test_a_headline_has_the_form_that_goes_with_how_many_did_it() -> None:
    likes = Headline(one="{who} liked your post", locale="de")
    assert retitled(likes, ["Ann"], 1) == "Ann mag deinen Beitrag"
    assert retitled(likes, ["Ann", "Bob"], 14) == "Ann, Bob und 12 weitere mögen deinen Beitrag"
    messages = Headline(
        one="{who} sent you a message",
        many="{who} sent you {count} messages",
        counts="events",
        locale="de",
    )
    assert retitled(messages, ["Ann"], 1) == "Ann hat dir eine Nachricht geschickt"
    assert retitled(messages, ["Ann"], 1_200) == "1.200 Nachrichten: Ann"


def test_a_name_with_braces_is_only_a_name() -> None:
    assert retitled(Headline(one="{who} liked your post"), ["{count}"], 1) == "{count} liked your post"
