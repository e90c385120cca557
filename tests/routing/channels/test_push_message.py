"""How a message looks to FCM."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import orjson
import pytest
from firebase_admin import messaging
from hypothesis import given
from hypothesis import strategies as st

from routing.channels.base import Rendered
from routing.channels.push_message import MOST, composed
from routing.model import Endpoint

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
KEY = "01890a5d-ac96-774b-bcce-b302099a8057"
MESSAGE = Rendered(title="Bob tipped you", text="Thanks", url="https://hub.example.com/tips/1", topic="tips")
TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(["\u0001", "😀", '"', "a"]).map(
    lambda char: char * 5000
)


def encoded(message: Rendered, kind: str | None = "token", key: str = KEY) -> dict[str, Any]:
    to = Endpoint(id=uuid4(), channel="push", address="device-1", kind=kind)
    made = composed(message, to, key=key, now=NOW)
    found: dict[str, Any] = messaging._MessagingService.encode_message(made)
    return found


def test_the_delivery_is_what_all_platforms_collapse_by() -> None:
    made = encoded(MESSAGE)
    assert made["android"]["collapse_key"] == KEY
    assert made["android"]["notification"]["tag"] == KEY
    assert made["apns"]["headers"]["apns-collapse-id"] == KEY
    assert made["webpush"]["headers"]["Topic"] == KEY.replace("-", "")
    assert made["webpush"]["notification"]["tag"] == KEY


@pytest.mark.parametrize("key", ["k", "ü", "a" * 33, "a b", "é" * 40])
def test_any_key_becomes_one_that_each_platform_takes(key: str) -> None:
    made = encoded(MESSAGE, key=key)
    assert len(made["apns"]["headers"]["apns-collapse-id"].encode()) <= 64
    topic = made["webpush"]["headers"]["Topic"]
    assert len(topic) <= 32
    assert topic.isascii()
    assert topic.isalnum()


@pytest.mark.parametrize(("kind", "member"), [("token", "token"), (None, "token"), ("fid", "fid")])
def test_an_app_is_reached_by_its_token_or_its_installation(kind: str | None, member: str) -> None:
    made = encoded(MESSAGE, kind)
    assert made[member] == "device-1"
    assert {"android", "apns", "webpush"} <= made.keys()


def test_a_browser_is_told_nothing_of_phones() -> None:
    made = encoded(MESSAGE, "webpush")
    assert made["token"] == "device-1"
    assert not {"android", "apns"} & made.keys()
    assert made["webpush"]["fcm_options"]["link"] == MESSAGE.url


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/tips", "hub://tips/1"])
def test_a_browser_gets_no_link_that_fcm_would_refuse_and_an_app_gets_it_all_the_same(url: str) -> None:
    made = encoded(replace(MESSAGE, url=url))
    assert "fcm_options" not in made["webpush"]
    assert made["data"]["url"] == url


def test_a_link_too_long_to_fit_is_left_out_and_not_cut() -> None:
    made = encoded(replace(MESSAGE, url=f"https://hub.example.com/{'a' * 1000}"))
    assert "url" not in made["data"]
    assert "fcm_options" not in made["webpush"]


@pytest.mark.parametrize(("urgent", "words"), [(True, ("high", "10")), (False, ("normal", "5"))])
def test_only_what_is_urgent_wakes_a_device(urgent: bool, words: tuple[str, str]) -> None:
    made = encoded(replace(MESSAGE, urgent=urgent))
    assert (made["android"]["priority"], made["apns"]["headers"]["apns-priority"]) == words
    assert made["webpush"]["headers"]["Urgency"] == words[0]


@pytest.mark.parametrize("unread", [0, 7])
def test_the_badge_is_what_is_unread(unread: int) -> None:
    made = encoded(replace(MESSAGE, badge=unread))
    assert made["apns"]["payload"]["aps"]["badge"] == unread
    assert made["android"]["notification"]["notification_count"] == unread
    assert made["data"]["unread"] == str(unread)


@pytest.mark.parametrize(
    ("left", "seconds"),
    [(timedelta(seconds=1.5), 1), (timedelta(weeks=9), 2_419_200), (timedelta(seconds=-5), 0)],
)
def test_the_time_left_is_within_what_fcm_takes(left: timedelta, seconds: int) -> None:
    made = encoded(replace(MESSAGE, expires_at=NOW + left))
    assert made["android"]["ttl"] == f"{seconds}s"
    assert made["webpush"]["headers"]["TTL"] == str(seconds)


def test_without_an_end_nothing_is_said_of_time() -> None:
    made = encoded(MESSAGE)
    assert "ttl" not in made["android"]
    assert "TTL" not in made["webpush"]["headers"]
    assert "apns-expiration" not in made["apns"]["headers"]


def test_a_long_text_ends_with_an_ellipsis_and_a_short_one_stays() -> None:
    assert encoded(replace(MESSAGE, text="é" * 5000))["notification"]["body"].endswith("é…")
    assert encoded(replace(MESSAGE, text="é" * 400))["notification"]["body"] == "é" * 400


MESSAGES = st.builds(
    Rendered,
    title=TEXTS,
    text=TEXTS,
    url=st.none() | TEXTS.map(lambda path: f"https://{path}"),
    group=st.none() | TEXTS,
    topic=st.none() | TEXTS,
    badge=st.none() | st.integers(0, 10**9),
    urgent=st.booleans(),
    expires_at=st.none() | st.datetimes(timezones=st.just(UTC)),
)


@given(
    message=MESSAGES,
    kind=st.sampled_from(["token", "fid", "webpush"]),
    key=TEXTS.filter(bool) | st.just(KEY),
)
def test_whatever_was_written_fits(message: Rendered, kind: str, key: str) -> None:
    made = encoded(message, kind, key)
    del made["fid" if kind == "fid" else "token"]
    assert len(orjson.dumps(made)) <= MOST
    assert all(isinstance(value, str) for value in made["data"].values())
