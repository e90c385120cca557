"""People are told in their languages: the same notification to all, a packet for each way of saying it."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from routing.languages import told_apart
from routing.model import Notification, Recipient
from routing.preferences import DEFAULT
from schemas.events.content import ContentCommented, ContentCreated, ContentLiked
from schemas.events.governance import GovernanceProposalCreated
from schemas.events.hours import HoursTipped
from schemas.events.users import UserFollowed, ZoneJoined
from schemas.profile import Profile
from schemas.store.preferences import PreferenceDocuments
from schemas.store.users import Users
from tests.routing.house import House
from tests.routing.post import Post
from tests.simulated import Resend

PEOPLE = {"ann": None, "dora": "de-AT", "emil": "de", "finn": "en-GB", "gaia": "it"}


async def living(house: House) -> None:
    for user, locale in PEOPLE.items():
        await Users().put(house.pool, user, Profile(locale=locale))


async def ids(house: House) -> set[UUID]:
    return {row["id"] for row in await house.pool.fetch("SELECT id FROM notifications")}


async def created(house: House) -> list[tuple[set[str], str]]:
    """Rooms and title of each packet of new notifications."""
    return [
        (set(rooms), argument["data"]["title"])
        for rooms, name, argument in await house.pushed()
        if name == "notification.created"
    ]


def test_a_group_is_parted_by_language_and_told_once_in_each() -> None:
    asked: list[str] = []

    def say(locale: str) -> Notification:
        asked.append(locale)
        return Notification(event_id=UUID(int=1), topic="tips", priority="immediate", title=locale)

    people = [Recipient(user=f"u{n}", preferences=DEFAULT, locale=("en", "de")[n % 2]) for n in range(6)]
    told = told_apart(say, people)
    assert [(one.notification.title, [to.user for to in one.recipients]) for one in told] == [
        ("en", ["u0", "u2", "u4"]),
        ("de", ["u1", "u3", "u5"]),
    ]
    assert asked == ["en", "de"]


async def test_what_a_person_prefers_comes_before_what_the_platform_told(house: House) -> None:
    await living(house)
    await PreferenceDocuments().put(house.pool, "emil", {"locale": "en"})
    await PreferenceDocuments().put(house.pool, "finn", {"locale": "de-CH"})
    await PreferenceDocuments().put(house.pool, "dora", {"channels": {"push": {"enabled": False}}})
    people = await house.people.load(house.pool, list(PEOPLE))
    assert {user: one.locale for user, one in people.items()} == {
        "ann": "en",
        "dora": "de",
        "emil": "en",
        "finn": "de",
        "gaia": "en",
    }


async def test_an_audience_hears_of_one_notification_in_a_packet_for_each_language(house: House) -> None:
    await living(house)
    await house.told(*(UserFollowed(target="bob", actor=user) for user in PEOPLE))
    before = await ids(house)
    await house.pushed()
    await house.told(ContentCreated(content_id="c", author="bob", kind="video", title="Bees"))
    english, german = "bob published a video", "bob hat ein Video veröffentlicht"
    assert [await house.titles(user) for user in PEOPLE] == [
        [title] for title in (english, german, german, english, english)
    ]
    assert len(await ids(house) - before) == 1
    instants = "SELECT count(DISTINCT created_at) FROM notifications WHERE NOT id = ANY($1)"
    assert await house.pool.fetchval(instants, list(before)) == 1
    told = {title: rooms for rooms, title in await created(house)}
    assert told == {
        english: {"user:ann", "user:finn", "user:gaia"},
        german: {"user:dora", "user:emil"},
    }


async def test_people_who_are_named_are_told_in_their_languages_too(house: House) -> None:
    await living(house)
    await house.told(
        ContentCommented(content_id="c", author="ann", actor="bob", text="Oh", mentions=("dora", "finn")),
        HoursTipped(to="dora", amount=123_456, actor="bob"),
    )
    assert await house.titles("ann") == ["bob commented on your post"]
    assert await house.titles("finn") == ["bob mentioned you in a comment"]
    assert set(await house.titles("dora")) == {
        "bob hat dir 1.234,56 HRS Trinkgeld gegeben",
        "bob hat dich in einem Kommentar erwähnt",
    }


async def test_what_gathers_is_told_anew_in_the_language_of_its_owner(house: House) -> None:
    await living(house)
    likes: Any = {"content_id": "c", "author": "dora"}
    await house.told(ContentLiked(**likes, actor="ann"))
    assert await house.titles("dora") == ["ann mag deinen Beitrag"]
    await house.told(*(ContentLiked(**likes, actor=actor) for actor in ("bob", "cid", "ann")))
    assert await house.titles("dora") == ["ann, cid und 1 weitere Person mögen deinen Beitrag"]
    await PreferenceDocuments().put(house.pool, "dora", {"locale": "en"})
    await house.told(ContentLiked(**likes, actor="dan"))
    assert await house.titles("dora") == ["dan, ann and 2 others liked your post"]


async def test_a_mail_speaks_the_language_of_its_reader_and_tells_the_time_of_their_zone(
    post: Post, resend: Resend
) -> None:
    house = post.house
    for user, locale, tz in (("dora", "de-AT", "Europe/Vienna"), ("finn", "en", "America/New_York")):
        await Users().put(house.pool, user, Profile(locale=locale, tz=tz, email=f"{user}@example.com"))
        await PreferenceDocuments().put(house.pool, user, {"topics": {"governance": {"email": True}}})
        await house.told(ZoneJoined(zone="river", user=user))
    closes_at = datetime(2026, 11, 21, 12, tzinfo=UTC)
    await house.told(
        GovernanceProposalCreated(proposal_id="p", title="Bees", zone="river", closes_at=closes_at)
    )
    await post.empty()
    mails = {one.address: one for one in resend.messages}
    german, english = mails["dora@example.com"], mails["finn@example.com"]
    assert (german.subject, english.subject) == ("Neuer Vorschlag: Bees", "New proposal: Bees")
    assert "Die Abstimmung endet am 21. November 2026, 13:00 MEZ" in german.text
    assert "Voting closes on 21 November 2026, 07:00 EST" in english.text
    assert await house.pool.fetchval("SELECT count(DISTINCT notification_id) FROM deliveries") == 1
