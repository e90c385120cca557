"""The decision: each step ends it with its reason, in the order of the contract."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, get_args
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.decide import SPACING, decide, decide_again
from routing.members import CHANNELS, TOPICS, ChannelKind
from routing.model import Decision, Endpoint, Notification, Reason, Recipient
from routing.preferences import DEFAULT, Preferences
from routing.quiet_hours import LONGEST, held_until
from schemas.events.notifications import Priority

NOW: Final = datetime(2026, 11, 21, 23, 10, tzinfo=UTC)
MORNING: Final = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
ALL: Final = frozenset(CHANNELS)
SECOND: Final = timedelta(seconds=1)
NIGHT: Final = {"enabled": True, "windows": [{"from": "22:00", "to": "07:00"}]}


def endpoint(channel: ChannelKind, number: int = 0) -> Endpoint:
    return Endpoint(
        id=UUID(int=CHANNELS.index(channel) * 100 + number), channel=channel, address=f"{channel}-{number}"
    )


ONE_OF_EACH: Final = tuple(endpoint(channel) for channel in CHANNELS if channel != "in_app")
ON: Final[dict[str, Any]] = {"channels": {"sms": {"enabled": True}}}


def a_notification(**others: Any) -> Notification:
    told: dict[str, Any] = {
        "topic": "tips",
        "priority": "immediate",
        "title": "Bob tipped you",
        "actor": "bob",
    }
    return Notification(event_id=uuid4(), **(told | others))


def ann(document: dict[str, Any] | None = None, **others: Any) -> Recipient:
    has: dict[str, Any] = {
        "preferences": Preferences.model_validate(ON | (document or {})),
        "endpoints": ONE_OF_EACH,
    }
    return Recipient(user="ann", **(has | others))


def chosen(notification: Notification, to: Recipient, now: datetime = NOW) -> dict[str, tuple[str, str]]:
    return {one.channel: (one.action, one.reason) for one in decide(notification, to, now, ALL)}


def only(channel: ChannelKind, notification: Notification, to: Recipient) -> Decision:
    [decision] = [one for one in decide(notification, to, NOW, ALL) if one.channel == channel]
    return decision


def every(action: str, reason: str) -> dict[str, tuple[str, str]]:
    return dict.fromkeys(CHANNELS, (action, reason))


def test_of_who_is_suspended_only_the_inbox_fills() -> None:
    told = every("drop", "blocked") | {"in_app": ("send", "preferences")}
    assert chosen(a_notification(), ann(suspended=True)) == told
    assert chosen(a_notification(), ann(suspended=True, endpoints=())) == told
    assert chosen(a_notification(actor="ann"), ann(suspended=True)) == every("drop", "own_action")
    for one in ONE_OF_EACH:
        again = decide_again(a_notification(), ann(suspended=True), one, NOW, read=False)
        assert (again.action, again.reason) == ("drop", "blocked")


def test_what_is_urgent_goes_out_on_every_enabled_channel() -> None:
    assert chosen(a_notification(), ann()) == every("send", "preferences")


def test_a_person_with_defaults_and_no_endpoints_has_it_in_app() -> None:
    to = Recipient(user="ann", preferences=DEFAULT)
    assert chosen(a_notification(topic="likes", priority="standard"), to) == {
        "in_app": ("send", "preferences"),
        "push": ("drop", "no_endpoint"),
        "sms": ("drop", "channel_off"),
        "email": ("drop", "topic_off"),
        "telegram": ("drop", "no_endpoint"),
    }


def test_there_is_one_decision_for_each_device() -> None:
    devices = (endpoint("push", 1), endpoint("push", 2), endpoint("push", 3))
    decisions = decide(a_notification(), ann(endpoints=devices), NOW, ALL)
    assert [one.endpoint for one in decisions if one.channel == "push"] == [device.id for device in devices]
    assert [one.channel for one in decisions if one.endpoint is None] == [
        "in_app",
        "sms",
        "email",
        "telegram",
    ]


def test_a_channel_that_the_deployment_lacks_is_as_good_as_no_endpoint() -> None:
    decisions = decide(a_notification(), ann(), NOW, {"in_app", "email"})
    assert {one.channel: one.reason for one in decisions} == {
        "in_app": "preferences",
        "push": "no_endpoint",
        "sms": "no_endpoint",
        "email": "preferences",
        "telegram": "no_endpoint",
    }


def test_nobody_is_told_of_what_they_did_themselves() -> None:
    assert chosen(a_notification(actor="ann"), ann()) == every("drop", "own_action")


def test_nobody_is_told_of_what_somebody_blocked_did() -> None:
    assert chosen(a_notification(), ann(blocked=frozenset({"bob"}))) == every("drop", "blocked")
    assert chosen(a_notification(actor=None), ann(blocked=frozenset({"bob"}))) == every("send", "preferences")


@pytest.mark.parametrize("kind", ["user", "content", "zone", "conversation"])
def test_what_is_muted_is_dropped_in_app_as_well(kind: str) -> None:
    about: dict[str, Any] = {"actor" if kind == "user" else kind: "x"}
    mute = {kind: "x", "until": "2026-11-21T23:10:01Z"}
    assert chosen(a_notification(**about), ann({"muted": [mute]})) == every("drop", "muted")
    assert chosen(a_notification(**about), ann({"muted": [mute]}), NOW + SECOND) == every(
        "send", "preferences"
    )


def test_a_topic_can_be_off_in_app() -> None:
    to = ann({"topics": {"tips": {"in_app": False}}})
    assert only("in_app", a_notification(), to).reason == "topic_off"
    assert (
        only("in_app", a_notification(), ann({"channels": {"in_app": {"enabled": False}}})).reason
        == "channel_off"
    )


@pytest.mark.parametrize("refused", ["", "tips"])
def test_consent_wins_over_preferences_for_its_endpoint_alone(refused: str) -> None:
    one, other = endpoint("email", 1), endpoint("email", 2)
    to = ann(endpoints=(one, other), refused={one.id: frozenset({refused, "likes"})})
    reasons = {each.endpoint: each.reason for each in decide(a_notification(), to, NOW, ALL)}
    assert (reasons[one.id], reasons[other.id]) == ("unsubscribed", "preferences")


def test_sms_takes_only_what_is_urgent() -> None:
    to = ann({"topics": {"likes": {"sms": True, "email": True}}})
    likes = chosen(a_notification(topic="likes", priority="standard"), to)
    assert (likes["sms"], likes["email"]) == (("drop", "below_priority"), ("send", "preferences"))


def test_what_is_silent_is_in_app_only() -> None:
    to = ann({"topics": {"likes": dict.fromkeys(CHANNELS, True)}})
    silent = chosen(a_notification(topic="likes", priority="silent"), to)
    assert silent == every("drop", "below_priority") | {"in_app": ("send", "preferences")}


def test_what_has_expired_is_dropped() -> None:
    assert chosen(a_notification(expires_at=NOW), ann()) == every("drop", "expired")
    assert chosen(a_notification(expires_at=NOW + SECOND), ann()) == every("send", "preferences")


def test_quiet_hours_hold_what_disturbs_and_never_what_is_in_app() -> None:
    night = chosen(a_notification(), ann({"quiet_hours": NIGHT}))
    assert night == every("hold", "quiet_hours") | {"in_app": ("send", "preferences")}
    assert only("push", a_notification(), ann({"quiet_hours": NIGHT})).until == MORNING


def test_quiet_hours_hold_on_their_channels_alone() -> None:
    night = chosen(a_notification(), ann({"quiet_hours": NIGHT | {"channels": ["sms"]}}))
    assert night == every("send", "preferences") | {"sms": ("hold", "quiet_hours")}


def test_what_is_urgent_comes_through_where_that_is_allowed() -> None:
    to = ann({"quiet_hours": NIGHT | {"allow_immediate": True}})
    assert chosen(a_notification(), to) == every("send", "preferences")
    assert only("push", a_notification(topic="likes", priority="standard"), to).action == "hold"


def test_quiet_hours_are_those_of_the_persons_zone() -> None:
    to = ann({"quiet_hours": NIGHT}, tz="America/New_York")
    assert only("push", a_notification(), to).action == "send"


@pytest.mark.parametrize(("expires_at", "reason"), [(MORNING, "expired"), (MORNING + SECOND, "quiet_hours")])
def test_what_would_expire_while_it_is_held_is_dropped_at_once(expires_at: datetime, reason: str) -> None:
    assert only("push", a_notification(expires_at=expires_at), ann({"quiet_hours": NIGHT})).reason == reason


def test_what_is_gathered_goes_into_the_digest_before_quiet_hours_are_asked() -> None:
    to = ann({"quiet_hours": NIGHT, "digest": {"mode": "daily", "topics": ["tips"]}})
    assert chosen(a_notification(), to)["email"] == ("digest", "digest")
    news = chosen(a_notification(topic="announcements", priority="batch"), to)
    assert (news["in_app"], news["email"]) == (("send", "preferences"), ("digest", "digest"))


def test_an_email_within_an_hour_of_the_last_is_gathered() -> None:
    assert chosen(a_notification(), ann(mailed_at=NOW - SPACING + SECOND)) == every("send", "preferences") | {
        "email": ("digest", "email_spacing")
    }
    assert chosen(a_notification(), ann(mailed_at=NOW - SPACING)) == every("send", "preferences")


def test_what_is_over_before_its_mail_could_leave_is_not_gathered() -> None:
    over = a_notification(expires_at=NOW + timedelta(minutes=30))
    assert chosen(over, ann(mailed_at=NOW))["email"] == ("drop", "expired")
    later = a_notification(expires_at=NOW + SPACING + SECOND)
    assert chosen(later, ann(mailed_at=NOW))["email"] == ("digest", "email_spacing")


def test_a_channel_that_got_too_much_is_spared() -> None:
    limited = chosen(a_notification(), ann(limited=frozenset({"push", "in_app"})))
    assert limited == every("send", "preferences") | {"push": ("drop", "rate_limited")}


# Each makes one step of the order end the decision about an e-mail; together, the first of them wins.
STEPS: Final[list[tuple[Reason, Callable[[Notification, Recipient], tuple[Notification, Recipient]]]]] = [
    ("own_action", lambda told, to: (replace(told, actor="ann"), to)),
    ("blocked", lambda told, to: (told, replace(to, blocked=frozenset({"bob"})))),
    ("channel_off", lambda told, to: (told, prefer(to, {"channels": {"email": {"enabled": False}}}))),
    ("topic_off", lambda told, to: (told, prefer(to, {"topics": {"likes": {"email": False}}}))),
    ("unsubscribed", lambda told, to: (told, replace(to, refused={endpoint("email").id: frozenset({""})}))),
    ("muted", lambda told, to: (told, prefer(to, {"muted": [{"content": "c"}]}))),
    ("below_priority", lambda told, to: (replace(told, priority="silent"), to)),
    ("expired", lambda told, to: (replace(told, expires_at=NOW), to)),
    ("digest", lambda told, to: (told, prefer(to, {"digest": {"topics": ["likes"]}}))),
    ("quiet_hours", lambda told, to: (told, prefer(to, {"quiet_hours": NIGHT}))),
    ("email_spacing", lambda told, to: (told, replace(to, mailed_at=NOW))),
    ("rate_limited", lambda told, to: (told, replace(to, limited=frozenset({"email"})))),
]


def prefer(to: Recipient, document: dict[str, Any]) -> Recipient:
    said = to.preferences.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return replace(to, preferences=Preferences.model_validate(said | document))


@given(st.lists(st.integers(0, len(STEPS) - 1), unique=True))
def test_the_first_step_that_ends_it_is_the_reason(numbers: list[int]) -> None:
    told = a_notification(topic="likes", priority="standard", content="c")
    to = ann({"topics": {"likes": {"email": True}}})
    for number in numbers:
        told, to = STEPS[number][1](told, to)
    expected = STEPS[min(numbers)][0] if numbers else "preferences"
    assert only("email", told, to).reason == expected


# --- the second time ---


def again(
    told: Notification, to: Recipient, channel: ChannelKind, now: datetime = NOW, *, read: bool = False
) -> Decision:
    return decide_again(told, to, endpoint(channel), now, read=read)


def test_what_was_read_meanwhile_is_not_sent() -> None:
    assert again(a_notification(), ann(), "push", read=True).reason == "read_already"
    assert again(a_notification(), ann(), "push").action == "send"


def test_what_was_held_leaves_at_the_end_of_the_quiet_hours_and_not_before() -> None:
    to = ann({"quiet_hours": NIGHT})
    assert again(a_notification(), to, "push", MORNING - SECOND).until == MORNING
    assert again(a_notification(), to, "push", MORNING).action == "send"


def test_an_endpoint_that_is_gone_meanwhile_gets_nothing() -> None:
    assert again(a_notification(), ann(endpoints=(endpoint("push", 7),)), "push").reason == "no_endpoint"


def test_the_second_time_an_email_too_soon_after_the_last_waits() -> None:
    held = again(a_notification(), ann(mailed_at=NOW - SECOND), "email")
    assert (held.action, held.reason, held.until) == ("hold", "email_spacing", NOW - SECOND + SPACING)


def test_what_is_on_its_way_no_longer_goes_into_a_digest() -> None:
    assert again(a_notification(), ann({"digest": {"topics": ["tips"]}}), "email").action == "send"


# --- properties ---


def recipients() -> st.SearchStrategy[Recipient]:
    time = st.sampled_from(["00:00", "07:00", "22:00", "23:10", "23:11"])
    days = st.lists(st.sampled_from(["sat", "sun", "mon"]), min_size=1, unique=True)
    windows = st.lists(st.fixed_dictionaries({"from": time, "to": time}, optional={"days": days}), max_size=3)
    quiet: dict[str, st.SearchStrategy[Any]] = {
        "enabled": st.booleans(),
        "windows": windows,
        "allow_immediate": st.booleans(),
        "channels": st.lists(st.sampled_from(CHANNELS[1:]), unique=True),
    }
    switch = st.fixed_dictionaries({"enabled": st.booleans()})
    documents: dict[str, st.SearchStrategy[Any]] = {
        "channels": st.dictionaries(st.sampled_from(CHANNELS), switch),
        "topics": st.dictionaries(
            st.sampled_from(TOPICS[:3]), st.dictionaries(st.sampled_from(CHANNELS), st.booleans())
        ),
        "quiet_hours": st.fixed_dictionaries(quiet),
        "digest": st.fixed_dictionaries({"topics": st.lists(st.sampled_from(TOPICS[:3]), unique=True)}),
        "muted": st.lists(st.sampled_from([{"user": "bob"}, {"content": "c"}, {"zone": "z"}])),
    }
    endpoints = st.lists(
        st.builds(endpoint, st.sampled_from(CHANNELS[1:]), st.integers(0, 2)), unique_by=lambda one: one.id
    )
    return st.builds(
        Recipient,
        user=st.sampled_from(["ann", "bob"]),
        preferences=st.fixed_dictionaries({}, optional=documents).map(Preferences.model_validate),
        tz=st.sampled_from([None, "UTC", "America/New_York", "Australia/Lord_Howe"]),
        endpoints=endpoints.map(tuple),
        refused=st.just({endpoint("push").id: frozenset({""}), endpoint("email").id: frozenset({"tips"})}),
        blocked=st.sampled_from([frozenset(), frozenset({"bob"})]),
        mailed_at=st.sampled_from([None, NOW, NOW - SPACING]),
        limited=st.frozensets(st.sampled_from(CHANNELS), max_size=2),
    )


def notifications() -> st.SearchStrategy[Notification]:
    return st.builds(
        Notification,
        event_id=st.uuids(),
        topic=st.sampled_from(TOPICS[:3]),
        priority=st.sampled_from(get_args(Priority)),
        title=st.just("Hello"),
        actor=st.sampled_from([None, "bob", "cy"]),
        content=st.sampled_from([None, "c"]),
        zone=st.sampled_from([None, "z", "y"]),
        expires_at=st.sampled_from([None, NOW, NOW + SECOND, MORNING, MORNING + 2 * LONGEST]),
    )


channel_sets = st.frozensets(st.sampled_from(CHANNELS[1:])).map(lambda some: some | {"in_app"})


@given(notifications(), recipients(), channel_sets)
def test_every_endpoint_and_every_channel_without_one_has_one_decision(
    told: Notification, to: Recipient, channels: frozenset[ChannelKind]
) -> None:
    decisions = decide(told, to, NOW, channels)
    with_endpoint = {one.channel for one in to.endpoints}
    expected: list[tuple[ChannelKind, UUID | None]] = [(one.channel, one.id) for one in to.endpoints]
    expected += [(channel, None) for channel in CHANNELS if channel not in with_endpoint]
    assert sorted(map(repr, expected)) == sorted(repr((one.channel, one.endpoint)) for one in decisions)


@given(notifications(), recipients(), channel_sets)
def test_action_and_reason_fit_and_a_hold_ends_later_outside_all_windows(
    told: Notification, to: Recipient, channels: frozenset[ChannelKind]
) -> None:
    for one in decide(told, to, NOW, channels):
        assert (one.action == "send") == (one.reason == "preferences")
        assert (one.action == "digest") == (one.reason in ("digest", "email_spacing"))
        assert (one.action == "hold") == (one.reason == "quiet_hours") == (one.until is not None)
        assert one.channel != "in_app" or one.action in ("send", "drop")
        assert one.action == "drop" or one.channel in channels
        if one.until is not None:
            assert one.until > NOW
            assert told.expires_at is None or told.expires_at > one.until
            ended = held_until(to.preferences.quiet_hours, to.tz, one.until) is None
            assert ended or one.until == NOW + LONGEST


@given(notifications(), recipients(), st.booleans())
def test_deciding_again_keeps_holds_or_drops_and_never_sends_what_was_dropped(
    told: Notification, to: Recipient, read: bool
) -> None:
    first = {one.endpoint: one for one in decide(told, to, NOW, ALL)}
    for one in to.endpoints:
        before, after = first[one.id], decide_again(told, to, one, NOW, read=read)
        assert after.action in ("send", "hold", "drop")
        if before.action == "drop":
            assert after.action == "drop"
            assert read or after.reason == before.reason
        elif read:
            assert after.reason == "read_already"
        elif before.action in ("send", "hold"):
            assert after == before
        if after.until is not None:
            assert after.until > NOW


@given(notifications(), recipients(), channel_sets)
def test_a_decision_about_one_endpoint_does_not_depend_on_the_others(
    told: Notification, to: Recipient, channels: frozenset[ChannelKind]
) -> None:
    together = {one.endpoint: one for one in decide(told, to, NOW, channels)}
    for one in to.endpoints:
        alone = decide(told, replace(to, endpoints=(one,)), NOW, channels)
        assert together[one.id] in alone
