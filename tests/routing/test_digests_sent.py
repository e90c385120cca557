"""From what happened to the one mail that tells of it: digests on their whole way."""

from datetime import UTC, datetime
from uuid import UUID

from routing.consent import Consents
from schemas.store.preferences import PreferenceDocuments
from tests.routing.gathered import close, like, milestone, outcomes, person
from tests.routing.post import LINKS, Post
from tests.simulated import Resend

MONDAY = datetime(2026, 3, 9, 8, tzinfo=UTC)


async def a_week(post: Post) -> None:
    """Ann's week: two likes of one post and a milestone, and then it is Monday."""
    await person(post.pool, "ann", digest={"topics": ["likes"]})
    await post.house.told(like(actor="bob"), like(actor="cid"), milestone())
    await post.empty()
    post.clock.moment = MONDAY


async def test_a_week_is_one_mail_as_html_and_as_plain_text(post: Post, resend: Resend) -> None:
    await a_week(post)
    assert resend.messages == []
    await close(post.house)
    await post.empty()
    [mail] = resend.messages
    assert (mail.address, mail.subject) == ("ann@example.com", "Your weekly digest")
    for said in ("cid and bob liked your post", "You reached 100 followers", "Likes", "Milestones"):
        assert said in mail.text
        assert said in (mail.html or "")
    assert mail.text.count("liked your post") == 1
    assert await outcomes(post.pool) == [("ann", "sent", None)]


async def test_what_was_read_between_closing_and_sending_is_not_told(post: Post, resend: Resend) -> None:
    await a_week(post)
    await close(post.house)
    [first] = [UUID(one["id"]) for one in await post.house.shown("ann") if one["topic"] == "likes"]
    await post.house.inbox.read("ann", [first])
    await post.empty()
    [mail] = resend.messages
    assert "liked" not in mail.text


async def test_who_has_read_everything_gets_no_mail(post: Post, resend: Resend) -> None:
    await a_week(post)
    await post.house.inbox.read_all("ann")
    await close(post.house)
    await post.empty()
    assert resend.messages == []
    assert await outcomes(post.pool) == [("ann", "dropped", "read_already")]


async def test_a_digest_waits_for_the_end_of_quiet_hours(post: Post, resend: Resend) -> None:
    await a_week(post)
    quiet = {"enabled": True, "tz": "UTC", "windows": [{"from": "22:00", "to": "09:00"}]}
    await PreferenceDocuments().put(post.pool, "ann", {"quiet_hours": quiet})
    await close(post.house)
    await post.empty()
    assert await outcomes(post.pool) == [("ann", "held", "quiet_hours")]
    post.clock.goes_on(hours=1)
    await post.empty()
    assert len(resend.messages) == 1


async def test_the_way_out_of_a_digest_ends_digests_and_nothing_else(post: Post, resend: Resend) -> None:
    await a_week(post)
    await close(post.house)
    await post.empty()
    [mail] = resend.messages
    link = dict(mail.headers or {})["List-Unsubscribe"].strip("<>")
    scope = LINKS.read(link.rpartition("/")[2])
    assert scope.topic == "digest"
    async with post.pool.acquire() as tx, tx.transaction():
        await Consents(post.clock).stop(tx, scope, source="link")
    await post.house.told(milestone(value=1000))
    post.clock.goes_on(days=7)
    await close(post.house)
    await post.empty()
    assert len(resend.messages) == 1
    assert [reason for *_, reason in await outcomes(post.pool)] == [None, "unsubscribed"]
