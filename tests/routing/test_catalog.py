"""The catalogue: every type of event has its row, and every row can be told."""

from datetime import UTC, datetime, timedelta
from string import Formatter
from typing import Any, get_args
from uuid import uuid4

import pytest
from hypothesis import given

from routing.catalog import CATALOG, Audience, Entry, Everyone, People, Person, said
from routing.members import PRIORITIES
from routing.text import MAX_TEXT, MAX_TITLE
from routing.texts import LOCALES
from routing.words import retitled
from schemas.events import content, governance, hours, live, messages, storefront, system, users
from schemas.events.base import Event
from schemas.events.notifications import NotificationCreated
from schemas.events.registry import REGISTRY
from tests.strategies import events

TIME = datetime(2026, 11, 21, 12, tzinfo=UTC)
NAMES = {"ann": "Ann", "bob": "Bob"}
POST: dict[str, Any] = {"content_id": "c1", "author": "ann"}


ROWS = [(cls, entry) for cls, entries in CATALOG.items() for entry in entries]


def told(event: Event, row: int = 0) -> tuple[str, str | None]:
    notification = said(event, CATALOG[type(event)][row], NAMES)
    return notification.title, notification.text


def test_every_type_of_the_log_has_its_row() -> None:
    assert set(CATALOG) == {cls for cls in REGISTRY.types() if not cls.push_only}


def test_the_catalogue_is_the_table_of_the_contract() -> None:
    table = [(cls.name, entry.topic, entry.priority, entry.recipients) for cls, entry in ROWS]
    assert table == [
        ("content.created", "mentions", "standard", People("mentions")),
        ("content.created", "follows", "standard", Audience("followers", "author")),
        ("content.liked", "likes", "standard", Person("author")),
        ("content.commented", "mentions", "standard", People("mentions")),
        ("content.commented", "comments", "standard", Person("author")),
        ("content.shared", "shares", "standard", Person("author")),
        ("hours.tipped", "tips", "immediate", Person("to")),
        ("user.followed", "follows", "standard", Person("target")),
        ("user.subscribed", "subscribers", "standard", Person("target")),
        ("live.started", "live", "immediate", Audience("subscribers", "host")),
        ("live.started", "live", "immediate", Audience("followers", "host")),
        ("message.sent", "messages", "standard", Audience("conversation", "conversation_id")),
        ("storefront.purchased", "sales", "immediate", Person("seller")),
        ("storefront.membership_new", "memberships", "immediate", Person("creator")),
        ("governance.proposal_created", "governance", "standard", Audience("zone", "zone")),
        ("system.announced", "announcements", "batch", Everyone()),
        ("milestone.reached", "milestones", "batch", Person("user")),
    ]
    assert {entry.topic for _, entry in ROWS} == set(PRIORITIES)


@pytest.mark.parametrize(
    ("cls", "entry"), ROWS, ids=[f"{cls.name}-{entry.topic}-{n}" for n, (cls, entry) in enumerate(ROWS)]
)
def test_a_row_speaks_only_of_members_its_event_has(cls: type[Event], entry: Entry) -> None:
    derived = {"who", "count", "hours", "price", "number", "what", "closing"}
    members = {entry.actor, entry.url, entry.collapse, getattr(entry.recipients, "member", None)} - {None}
    assert members <= set(cls.model_fields)
    for template in filter(
        None, (entry.title, *entry.kinds.values(), entry.else_title, entry.many, entry.text)
    ):
        named = {name for _, name, _, _ in Formatter().parse(template) if name}
        assert named <= derived | set(cls.model_fields)
    if entry.collapse is not None:  # titles told anew know nothing but people and their number
        assert {name for _, name, _, _ in Formatter().parse(entry.title) if name} == {"who"}


@given(events())
def test_every_event_can_be_told_within_the_limits_of_a_notification(event: Event) -> None:
    rows = [(entry, locale) for entry in CATALOG.get(type(event), ()) for locale in LOCALES]
    for entry, locale in rows:
        made = said(event, entry, {}, locale)
        assert 0 < len(made.title) <= MAX_TITLE
        assert made.text is None or 0 < len(made.text) <= MAX_TEXT
        NotificationCreated(
            user="ann",
            notification_id=uuid4(),
            topic=made.topic,
            priority=made.priority,
            title=made.title,
            text=made.text,
            url=made.url,
            actors=None if made.actor is None else (made.actor,),
            count=1,
            event_ids=(made.event_id,),
            created_at=event.time,
            updated_at=event.time,
            state="unread",
        )
        if isinstance(entry.recipients, Person | People):
            assert set(entry.recipients.users(event)) <= event.users()
        if isinstance(entry.recipients, Audience):
            assert entry.recipients.target(event) != ""


@pytest.mark.parametrize(
    ("event", "row", "title", "text"),
    [
        (
            content.ContentCreated(**POST, kind="article", title="On bees"),
            0,
            "Ann mentioned you in an article",
            "On bees",
        ),
        (content.ContentCreated(**POST, kind="post", title="On bees"), 1, "Ann published a post", "On bees"),
        (content.ContentLiked(**POST, actor="bob"), 0, "Bob liked your post", None),
        (content.ContentLiked(**POST), 0, "Someone liked your post", None),
        (content.ContentLiked(**POST, actor="no-name"), 0, "no-name liked your post", None),
        (
            content.ContentCommented(**POST, actor="bob", text="Nice\nbees"),
            1,
            "Bob commented on your post",
            "Nice bees",
        ),
        (content.ContentShared(**POST, actor="bob"), 0, "Bob shared your post", None),
        (hours.HoursTipped(to="ann", amount=500, actor="bob"), 0, "Bob tipped you 5.00 HRS", None),
        (
            hours.HoursTipped(to="ann", amount=500, actor="bob", note="Thanks!"),
            0,
            "Bob tipped you 5.00 HRS",
            "Thanks!",
        ),
        (users.UserFollowed(target="ann", actor="bob"), 0, "Bob started following you", None),
        (users.UserSubscribed(target="ann", actor="bob"), 0, "Bob subscribed to you", None),
        (live.LiveStarted(stream_id="s", host="ann", title="Bees, live"), 0, "Ann is live", "Bees, live"),
        (
            messages.MessageSent(conversation_id="k", message_id="m", seq=1, sender="bob"),
            0,
            "Bob sent you a message",
            None,
        ),
        (
            storefront.StorefrontPurchased(
                order_id="o", seller="ann", buyer="bob", amount_cents=1200, currency="EUR", item="Honey"
            ),
            0,
            "Bob bought Honey for 12.00 EUR",
            None,
        ),
        (
            storefront.StorefrontPurchased(
                order_id="o", seller="ann", buyer="bob", amount_cents=1200, currency="EUR"
            ),
            0,
            "Bob bought something for 12.00 EUR",
            None,
        ),
        (
            storefront.StorefrontMembershipNew(
                creator="ann", member="bob", tier="Gold", amount_cents=500, currency="USD"
            ),
            0,
            "Bob became a Gold member (5.00 USD)",
            None,
        ),
        (
            governance.GovernanceProposalCreated(proposal_id="p", title="More bees", closes_at=TIME),
            0,
            "New proposal: More bees",
            "Voting closes on 21 November 2026, 12:00 UTC",
        ),
        (
            governance.GovernanceProposalCreated(proposal_id="p", title="More bees"),
            0,
            "New proposal: More bees",
            None,
        ),
        (system.SystemAnnounced(title="Maintenance", text="Tonight."), 0, "Maintenance", "Tonight."),
        (
            system.MilestoneReached(user="ann", kind="followers", value=1000),
            0,
            "You reached 1,000 followers",
            None,
        ),
    ],
)
def test_a_notification_reads_as_a_person_would_say_it(
    event: Event, row: int, title: str, text: str | None
) -> None:
    assert told(event, row) == (title, text)


@pytest.mark.parametrize(
    ("event", "row", "title", "text"),
    [
        (
            content.ContentCreated(**POST, kind="article", title="On bees"),
            0,
            "Ann hat dich in einem Artikel erwähnt",
            "On bees",
        ),
        (
            content.ContentCreated(**POST, kind="post", title="On bees"),
            1,
            "Ann hat einen Beitrag veröffentlicht",
            "On bees",
        ),
        (content.ContentLiked(**POST), 0, "Jemand mag deinen Beitrag", None),
        (
            hours.HoursTipped(to="ann", amount=500, actor="bob"),
            0,
            "Bob hat dir 5,00 HRS Trinkgeld gegeben",
            None,
        ),
        (
            messages.MessageSent(conversation_id="k", message_id="m", seq=1, sender="bob"),
            0,
            "Bob hat dir eine Nachricht geschickt",
            None,
        ),
        (
            governance.GovernanceProposalCreated(proposal_id="p", title="More bees", closes_at=TIME),
            0,
            "Neuer Vorschlag: More bees",
            "Die Abstimmung endet am 21. November 2026, 13:00 MEZ",
        ),
        (system.SystemAnnounced(title="Open", text="Announcement"), 0, "Open", "Announcement"),
    ],
)
def test_a_notification_reads_in_the_language_and_the_zone_of_a_person(
    event: Event, row: int, title: str, text: str | None
) -> None:
    made = said(event, CATALOG[type(event)][row], NAMES, "de-AT", "Europe/Berlin")
    assert (made.title, made.text) == (title, text)


@pytest.mark.parametrize("row", [0, 1])
def test_every_kind_of_content_has_its_title(row: int) -> None:
    kinds = get_args(content.ContentCreated.model_fields["kind"].annotation)
    assert set(CATALOG[content.ContentCreated][row].kinds) == set(kinds)


def test_a_live_alert_expires_after_half_an_hour() -> None:
    event = live.LiveStarted(stream_id="s", host="ann", time=TIME)
    assert said(event, CATALOG[live.LiveStarted][0], {}).expires_at == TIME + timedelta(minutes=30)


def test_who_did_it_is_the_person_and_not_the_service_that_published_it() -> None:
    sold = storefront.StorefrontPurchased(
        order_id="o", seller="ann", buyer="bob", amount_cents=1, currency="EUR", actor="shop"
    )
    assert said(sold, CATALOG[storefront.StorefrontPurchased][0], NAMES).actor == "bob"


def test_unread_likes_of_one_post_become_one_and_know_how_to_be_told_anew() -> None:
    entry = CATALOG[content.ContentLiked][0]
    made = said(content.ContentLiked(**POST, actor="bob"), entry, NAMES)
    assert (made.collapse, made.content) == ("likes:c1", "c1")
    assert made.headline is not None
    assert retitled(made.headline, ["Bob", "Cy"], 14) == "Bob, Cy and 12 others liked your post"


def test_a_link_is_taken_over_and_content_is_known_to_mutes() -> None:
    event = content.ContentCreated(**POST, kind="post", title="x", zone="z", url="https://example.com/c1")
    made = said(event, CATALOG[content.ContentCreated][1], NAMES)
    assert (made.url, made.content, made.zone, made.conversation) == (
        "https://example.com/c1",
        "c1",
        "z",
        None,
    )


def test_people_who_are_named_twice_are_told_once() -> None:
    event = content.ContentCreated(**POST, kind="post", title="x", mentions=("bob", "cy", "bob"))
    assert People("mentions").users(event) == ("bob", "cy")
    assert People("mentions").users(content.ContentCreated(**POST, kind="post", title="x")) == ()
