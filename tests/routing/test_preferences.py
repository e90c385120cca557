"""Preferences: their defaults, what is refused and where, and how a patch is merged."""

from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateways.problems import from_validation
from routing import preferences
from routing.members import CHANNELS, DAYS, PRIORITIES, TOPICS, ChannelKind
from routing.preferences import DEFAULT, Channels, Grid, Preferences, Row, Wish, effective, merge
from schemas.events.notifications import Priority, Topic

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
EXAMPLE: dict[str, Any] = {
    "channels": {
        "push": {"enabled": True},
        "sms": {"enabled": False},
        "email": {"enabled": True},
        "telegram": {"enabled": True},
        "in_app": {"enabled": True},
    },
    "topics": {"likes": {"push": False}, "tips": {"sms": True}},
    "quiet_hours": {
        "enabled": True,
        "tz": "Europe/Berlin",
        "windows": [{"days": ["mon", "fri"], "from": "22:00", "to": "07:00"}],
        "channels": ["push", "sms", "telegram", "email"],
        "allow_immediate": False,
    },
    "digest": {
        "mode": "daily",
        "at": "08:00",
        "weekday": "mon",
        "channel": "email",
        "topics": ["likes", "comments"],
    },
    "muted": [{"user": "spammer"}, {"content": "c9", "until": "2026-12-01T00:00:00Z"}],
    "locale": "en",
}


def prefers(**document: Any) -> Preferences:
    return Preferences.model_validate(document)


def documents() -> st.SearchStrategy[dict[str, Any]]:
    row = st.dictionaries(st.sampled_from(CHANNELS), st.booleans())
    switch = st.fixed_dictionaries({}, optional={"enabled": st.booleans()})
    time = st.times().map(lambda time: f"{time:%H:%M}")
    digest: dict[str, st.SearchStrategy[Any]] = {
        "mode": st.sampled_from(["off", "daily", "weekly"]),
        "at": time,
        "weekday": st.sampled_from(DAYS),
        "channel": st.sampled_from(["email", "telegram"]),
        "topics": st.lists(st.sampled_from(TOPICS), unique=True),
    }
    days = st.lists(st.sampled_from(DAYS), min_size=1, unique=True)
    window = st.fixed_dictionaries({"from": time, "to": time}, optional={"days": days})
    quiet: dict[str, st.SearchStrategy[Any]] = {
        "enabled": st.booleans(),
        "tz": st.sampled_from([None, "Europe/Berlin"]),
        "windows": st.lists(window, max_size=2),
        "channels": st.lists(st.sampled_from(CHANNELS[1:]), unique=True),
    }
    members: dict[str, st.SearchStrategy[Any]] = {
        "channels": st.dictionaries(st.sampled_from(CHANNELS), switch),
        "topics": st.dictionaries(st.sampled_from(TOPICS), row),
        "quiet_hours": st.fixed_dictionaries({}, optional=quiet),
        "digest": st.fixed_dictionaries({}, optional=digest),
        "muted": st.lists(
            st.sampled_from([{"user": "ann"}, {"zone": "z1", "until": "2026-12-01T00:00:00Z"}])
        ),
        "locale": st.sampled_from(["en", "de-AT"]),
    }
    return st.fixed_dictionaries({}, optional=members)


def test_the_parts_know_all_channels_and_topics() -> None:
    assert set(Channels.model_fields) == set(Row.model_fields) == set(CHANNELS)
    assert tuple(Grid.model_fields) == TOPICS == tuple(PRIORITIES)


def test_nothing_said_means_the_defaults() -> None:
    whole = effective({})
    assert {channel: one["enabled"] for channel, one in whole["channels"].items()} == {
        "in_app": True,
        "push": True,
        "sms": False,
        "email": True,
        "telegram": True,
    }
    assert whole["quiet_hours"] == {
        "enabled": False,
        "tz": None,
        "windows": [],
        "channels": ["push", "sms", "telegram", "email"],
        "allow_immediate": False,
    }
    assert whole["digest"] == {
        "mode": "weekly",
        "at": "08:00",
        "weekday": "mon",
        "channel": "email",
        "topics": [],
    }
    assert (whole["muted"], whole["locale"]) == ([], "en")
    assert all(whole["topics"]["tips"].values())
    on = {topic: {channel for channel, one in row.items() if one} for topic, row in whole["topics"].items()}
    assert on["likes"] == {"in_app", "push", "telegram"}
    assert on["announcements"] == {"in_app", "email"}  # in the weekly digest


@pytest.mark.parametrize(
    ("priority", "wishes"),
    [
        ("immediate", ("send", "send", "send", "send", "send")),
        ("standard", ("send", "send", "topic_off", "topic_off", "send")),
        ("batch", ("send", "topic_off", "topic_off", "digest", "topic_off")),
        ("silent", ("send", "topic_off", "topic_off", "topic_off", "topic_off")),
    ],
)
def test_where_a_topic_says_nothing_the_priority_decides(
    priority: Priority, wishes: tuple[Wish, ...]
) -> None:
    assert prefers(channels={"sms": {"enabled": True}}).wishes("likes", priority) == wishes


def test_a_channel_that_is_off_is_off_for_every_topic() -> None:
    preferences = prefers(channels={"push": {"enabled": False}}, topics={"tips": {"push": True, "sms": True}})
    assert preferences.wants("tips", "immediate", "push") == "channel_off"
    assert preferences.wants("tips", "immediate", "sms") == "channel_off"


def test_a_topic_can_be_had_elsewhere_and_not_had_where_it_is_by_default() -> None:
    preferences = prefers(topics={"likes": {"email": True, "push": False}})
    assert preferences.wants("likes", "standard", "email") == "send"
    assert preferences.wants("likes", "standard", "push") == "topic_off"


def test_a_topic_of_the_digest_is_gathered_on_the_channel_of_the_digest_alone() -> None:
    preferences = prefers(digest={"mode": "daily", "channel": "telegram", "topics": ["tips", "likes"]})
    assert preferences.wishes("tips", "immediate") == ("send", "send", "channel_off", "send", "digest")
    assert preferences.wishes("likes", "standard") == ("send", "send", "channel_off", "topic_off", "digest")
    assert preferences.wants("announcements", "batch", "telegram") == "digest"
    assert preferences.wants("announcements", "batch", "email") == "topic_off"


def test_a_topic_that_is_off_does_not_come_into_the_digest_either() -> None:
    preferences = prefers(digest={"topics": ["likes"]}, topics={"likes": {"email": False}})
    assert preferences.wants("likes", "standard", "email") == "topic_off"


def test_without_a_digest_what_would_be_gathered_stays_in_app() -> None:
    off = {"mode": "off", "topics": ["tips"]}
    assert prefers(digest=off).wishes("milestones", "batch") == (
        "send",
        "topic_off",
        "channel_off",
        "topic_off",
        "topic_off",
    )
    assert prefers(digest=off).wants("tips", "immediate", "email") == "send"
    assert (
        prefers(digest=off, topics={"milestones": {"email": True}}).wants("milestones", "batch", "email")
        == "send"
    )


def test_wishes_are_worked_out_once() -> None:
    preferences = prefers()
    assert preferences.wishes("likes", "standard") is preferences.wishes("likes", "standard")
    assert preferences == prefers()


def test_a_mute_holds_until_its_time() -> None:
    muted = [{"user": "ann", "until": "2026-11-21T12:00:01Z"}, {"zone": "z"}, {"user": "ann", "until": None}]
    assert prefers(muted=muted[:1]).mutes({"user": "ann"}, NOW)
    assert not prefers(muted=muted[:1]).mutes({"user": "ann"}, NOW.replace(second=1))
    assert prefers(muted=muted).mutes({"user": "ann"}, NOW.replace(second=1))
    assert prefers(muted=muted).mutes({"user": "bob", "zone": "z"}, NOW)
    assert not prefers(muted=muted).mutes({"user": "z", "zone": "ann", "content": None}, NOW)


def test_mutes_that_are_over_are_not_shown() -> None:
    muted = [
        {"content": "c", "until": "2026-11-21T12:00:00Z"},
        {"user": "ann", "until": "2026-11-22T00:00:00Z"},
    ]
    assert effective({"muted": muted}, NOW)["muted"] == muted[1:]
    assert effective({"muted": muted})["muted"] == muted


def test_the_whole_of_the_example_is_taken_and_shown() -> None:
    whole = effective(EXAMPLE, NOW)
    for member in ("channels", "quiet_hours", "digest", "muted", "locale"):
        assert whole[member] == EXAMPLE[member]
    assert whole["topics"]["likes"]["push"] is False


WRONG: list[tuple[dict[str, Any], str, str]] = [
    (
        {"quiet_hours": {"windows": [{"from": "25:00", "to": "07:00"}]}},
        "quiet_hours.windows[0].from",
        "must be a time",
    ),
    ({"quiet_hours": {"windows": [{"from": "22:00"}]}}, "quiet_hours.windows[0].to", "is required"),
    (
        {"quiet_hours": {"windows": [{"from": "22:00", "to": "07:00", "days": ["mo"]}]}},
        "quiet_hours.windows[0].days[0]",
        "must be 'mon'",
    ),
    ({"quiet_hours": {"tz": "Berlin"}}, "quiet_hours.tz", "is not a time zone"),
    ({"quiet_hours": {"channels": ["in_app"]}}, "quiet_hours.channels[0]", "must be 'push'"),
    ({"quiet_hours": {"channels": ["sms", "sms"]}}, "quiet_hours.channels", "must not name anything twice"),
    ({"quiet_hours": None}, "quiet_hours", "must be an object"),
    ({"channels": {"fax": {"enabled": True}}}, "channels.fax", "is not known here"),
    ({"channels": {"push": True}}, "channels.push", "must be an object"),
    ({"channels": {"push": {"enabled": "yes"}}}, "channels.push.enabled", "must be a valid boolean"),
    ({"topics": {"gossip": {"push": True}}}, "topics.gossip", "is not known here"),
    ({"topics": {"likes": {"push": 1}}}, "topics.likes.push", "must be a valid boolean"),
    ({"digest": {"mode": "hourly"}}, "digest.mode", "must be 'off', 'daily' or 'weekly'"),
    ({"digest": {"channel": "push"}}, "digest.channel", "must be 'email' or 'telegram'"),
    ({"digest": {"at": "8:00"}}, "digest.at", "must be a time of day"),
    ({"digest": {"weekday": 1}}, "digest.weekday", "must be 'mon'"),
    ({"digest": {"topics": ["likes", "gossip"]}}, "digest.topics[1]", "must be 'tips'"),
    ({"muted": [{"user": "ann"}, {}]}, "muted[1]", "must name one user, content, zone or conversation"),
    ({"muted": [{"user": "ann", "content": "c"}]}, "muted[0]", "must name one"),
    ({"muted": [{"user": "not an id"}]}, "muted[0].user", "must be a user id"),
    ({"muted": [{"user": "ann", "until": "tomorrow"}]}, "muted[0].until", "must be an RFC 3339 time"),
    ({"muted": [{"user": "ann"}] * 1001}, "muted", "must have at most 1000 items"),
    ({"muted": {"user": "ann"}}, "muted", "must be a list"),
    ({"locale": "English!"}, "locale", "must be a BCP 47 language tag"),
    ({"sound": "loud"}, "sound", "is not known here"),
]


@pytest.mark.parametrize(
    ("document", "path", "message"), WRONG, ids=[f"{path} {message}" for _, path, message in WRONG]
)
def test_a_wrong_value_is_refused_with_its_path(document: dict[str, Any], path: str, message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Preferences.model_validate(document)
    [error] = from_validation(refused.value).errors
    assert error.path == path
    assert error.message.startswith(message)


def test_a_patch_merges_and_null_takes_away() -> None:
    said = prefers(**EXAMPLE).to_store()
    stored = merge(
        said, {"topics": {"likes": {"push": None, "email": True}}, "quiet_hours": {"enabled": False}}
    )
    assert stored["topics"] == {}  # e-mails of likes go without saying while the digest gathers them
    assert stored["quiet_hours"] == EXAMPLE["quiet_hours"] | {"enabled": False}
    assert "digest" not in merge(EXAMPLE, {"digest": None})
    assert merge(EXAMPLE, {"muted": []})["muted"] == []


def test_a_patch_is_judged_by_its_outcome() -> None:
    with pytest.raises(ValidationError) as refused:
        merge({}, {"quiet_hours": {"windows": [{"from": "22:00", "to": "late"}]}})
    [error] = from_validation(refused.value).errors
    assert error.path == "quiet_hours.windows[0].to"
    assert merge({"muted": [{"user": "ann"}]}, {"topics": {"likes": {"push": False}}})["muted"] == [
        {"user": "ann"}
    ]


def test_a_patch_nested_a_thousand_times_is_refused_and_nothing_breaks() -> None:
    patch: dict[str, Any] = {}
    for _ in range(1_000):
        patch = {"topics": patch}
    with pytest.raises(ValidationError):
        merge({}, patch)


@given(documents(), documents())
def test_a_document_patched_by_itself_or_by_nothing_stays_as_it_is(
    document: dict[str, Any], other: dict[str, Any]
) -> None:
    stored = Preferences.model_validate(document).to_store()
    assert effective(stored) == effective(document)
    assert merge(stored, {}) == stored
    assert effective(merge(other, effective(document))) == effective(document)


@given(documents(), st.sampled_from(["off", "daily", "weekly"]))
def test_sending_back_what_was_shown_changes_nothing_even_later(document: dict[str, Any], mode: str) -> None:
    stored = Preferences.model_validate(document).to_store()
    sent_back = Preferences.model_validate(effective(stored)).to_store()
    before, after = (merge(one, {"digest": {"mode": mode}}) for one in (stored, sent_back))
    assert effective(after) == effective(before)


DIGESTS: dict[str, dict[str, Any]] = {
    "a topic more": {"topics": ["likes"]},
    "another channel": {"channel": "telegram"},
    "off": {"mode": "off"},
}


def put_back(stored: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """What is stored when somebody sends back all they were shown, but for these changes."""
    shown = effective(stored)
    return Preferences.model_validate(shown | changes).put_back(stored, [shown, effective({})])


@pytest.mark.parametrize("digest", DIGESTS.values(), ids=DIGESTS)
def test_who_sends_back_all_and_another_digest_says_nothing_else(digest: dict[str, Any]) -> None:
    stored = put_back({}, digest=effective({})["digest"] | digest)
    assert (stored.get("topics", {}), stored["digest"]) == ({}, digest)


def test_what_goes_into_the_digest_follows_it_when_all_is_sent_back() -> None:
    gathered = Preferences.model_validate(put_back({}, digest=DIGESTS["a topic more"]))
    assert gathered.wants("likes", "standard", "email") == "digest"
    moved = Preferences.model_validate(put_back({}, digest=DIGESTS["another channel"]))
    wishes = [moved.wants("milestones", "batch", channel) for channel in ("telegram", "email")]
    assert wishes == ["digest", "topic_off"]
    ended = Preferences.model_validate(put_back({}, digest=DIGESTS["off"]))
    wishes = [ended.wants("milestones", "batch", channel) for channel in ("in_app", "email")]
    assert wishes == ["send", "topic_off"]


def test_who_names_a_choice_says_it_whatever_was_shown() -> None:
    said = {"topics": {"likes": {"email": False}}, "digest": {"topics": ["likes"]}}
    stored = prefers(**said).put_back({}, [effective({})])
    assert stored == said
    assert prefers(**said).put_back(stored, [effective(stored), effective({})]) == said


@given(documents(), documents())
def test_sending_back_all_with_another_digest_does_what_a_patch_of_the_digest_does(
    document: dict[str, Any], other: dict[str, Any]
) -> None:
    stored = Preferences.model_validate(document).to_store()
    digest = effective(other)["digest"]
    sent_back, patched = put_back(stored, digest=digest), merge(stored, {"digest": digest})
    assert effective(sent_back) == effective(patched)
    assert effective(put_back(sent_back)) == effective(patched)


@given(documents(), documents())
def test_what_was_said_outlasts_a_digest_it_made_no_difference_to(
    document: dict[str, Any], other: dict[str, Any]
) -> None:
    stored = Preferences.model_validate(document).to_store()
    before, between = (effective(one)["digest"] for one in (document, other))
    again = merge(merge(stored, {"digest": between}), {"digest": before})
    assert effective(again) == effective(stored)


@given(documents(), st.sampled_from(TOPICS), st.sampled_from(CHANNELS))
def test_what_is_shown_is_what_is_done(document: dict[str, Any], topic: Topic, channel: ChannelKind) -> None:
    whole = effective(document)
    wish = Preferences.model_validate(document).wants(topic, PRIORITIES[topic], channel)
    shown = whole["channels"][channel]["enabled"] and whole["topics"][topic][channel]
    assert shown == (wish in ("send", "digest"))


def test_the_documents_of_the_api_can_show_preferences() -> None:
    schema = Preferences.model_json_schema()
    assert {"from", "to", "days"} == set(schema["$defs"]["Window"]["properties"])
    assert schema["$defs"]["Window"]["properties"]["days"]["default"] == list(DAYS)
    assert set(get_args(Topic)) == set(schema["$defs"]["Grid"]["properties"])


def test_of_what_a_newer_hub_wrote_all_counts_that_can_be_read() -> None:
    said = {
        "channels": {"fax": {"enabled": True}, "push": {"enabled": False}},
        "topics": {"weather": {"push": True}, "likes": {"push": "sometimes", "email": True}},
        "quiet_hours": {"enabled": True, "tz": "Mars/Olympus", "windows": [{"from": "22:00"}]},
        "digest": {"mode": "hourly", "at": "20:00"},
        "muted": [{"user": "eve"}, {"user": "bob", "until": "the holidays"}, {"mood": "bad"}],
        "locale": "de",
        "pace": "slow",
    }
    read = preferences.read(said)
    assert not read.channels.push.enabled
    assert (read.topics.likes.push, read.topics.likes.email) == (None, True)
    assert (read.quiet_hours.enabled, read.quiet_hours.tz, read.quiet_hours.windows) == (True, None, ())
    assert (read.digest.mode, read.digest.at) == ("weekly", "20:00")
    assert [one.user for one in read.muted] == ["eve"]
    assert read.locale == "de"
    assert preferences.read({"locale": 1}) == DEFAULT
    assert preferences.merge({"pace": "slow", "locale": "de"}, {"digest": {"at": "21:00"}}) == {
        "locale": "de",
        "digest": {"at": "21:00"},
    }
