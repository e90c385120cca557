"""How a notification reads on a lock screen."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from routing.channels.base import UnwritableError
from routing.model import Code, Digest, Endpoint, Notification, Recipient
from routing.preferences import Preferences
from routing.writers.push import PushWriter

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
TIP = Notification(
    event_id=uuid4(),
    topic="tips",
    priority="immediate",
    title="Bob tipped you 5.00 HRS",
    text="Thanks",
    url="/tips/1",
    expires_at=NOW,
)
WRITER = PushWriter("https://hub.example.com/")
PHONE = Endpoint(id=uuid4(), channel="push", address="device-1", kind="token")
ANN = Recipient(user="ann", preferences=Preferences())


def test_the_words_the_number_of_unread_and_the_end_are_taken_over() -> None:
    said = WRITER.write(TIP, PHONE, ANN, 3)
    assert (said.title, said.text, said.badge) == (TIP.title, "Thanks", 3)
    assert (said.topic, said.expires_at) == ("tips", NOW)


def test_a_tap_leads_to_the_web_page_of_what_it_is_about() -> None:
    assert WRITER.write(TIP, PHONE, ANN, 1).url == "https://hub.example.com/tips/1"
    nowhere = replace(TIP, url="javascript:alert(1)")
    assert WRITER.write(nowhere, PHONE, ANN, 1).url == "https://hub.example.com/"


def test_only_what_is_immediate_is_urgent() -> None:
    assert WRITER.write(TIP, PHONE, ANN, 1).urgent
    assert not WRITER.write(replace(TIP, priority="standard"), PHONE, ANN, 1).urgent


def test_what_becomes_one_notification_is_shown_together() -> None:
    assert WRITER.write(TIP, PHONE, ANN, 1).group == "tips"
    of_chat = replace(TIP, collapse="messages:c1")
    assert WRITER.write(of_chat, PHONE, ANN, 1).group == "messages:c1"


@pytest.mark.parametrize(
    "content",
    [
        Digest(id=uuid4(), kind="scheduled", items=(), mode="daily"),
        Code(id=uuid4(), channel="sms", said="123456", expires_at=NOW),
    ],
)
def test_digests_and_codes_do_not_go_by_push(content: Digest | Code) -> None:
    with pytest.raises(UnwritableError) as refused:
        WRITER.write(content, PHONE, ANN, 1)
    assert "123456" not in str(refused.value)
