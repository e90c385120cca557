"""Previews: every topic on every channel in every language, written as it is sent."""

import pytest

from routing.members import CHANNELS, PRIORITIES, ChannelKind
from routing.previews import previews
from routing.texts import LOCALES

URL = "https://hub.example.com"


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("locale", LOCALES)
def test_every_topic_is_shown_or_it_is_said_why_not(channel: ChannelKind, locale: str) -> None:
    made = previews(channel, locale, URL)
    assert {one.sample.topic for one in made} >= set(PRIORITIES)
    assert all((one.written is None) is (one.why is not None) for one in made)
    shown = {one.sample.topic for one in made if one.written}
    immediate = {topic for topic, priority in PRIORITIES.items() if priority == "immediate"}
    assert shown >= (immediate if channel == "sms" else set(PRIORITIES))
    assert all(one.written.title for one in made if one.written)


def test_only_mails_have_html_and_a_way_out() -> None:
    for channel in CHANNELS:
        for one in previews(channel, "en", URL):
            if one.written and one.sample.topic != "verification":
                assert bool(one.written.html) is (channel == "email")
                assert ("List-Unsubscribe" in one.written.headers) is (channel == "email")


def test_each_channel_shows_its_own_code() -> None:
    codes = {
        channel: [one.written for one in previews(channel, "de", URL) if one.sample.topic == "verification"]
        for channel in CHANNELS
    }
    assert {channel: len(found) for channel, found in codes.items()} == {
        "in_app": 0,
        "push": 0,
        "sms": 1,
        "email": 1,
        "telegram": 0,
    }
    [sms], [mail] = codes["sms"], codes["email"]
    assert sms is not None
    assert mail is not None
    assert "123456" in sms.text
    assert mail.url == f"{URL}/verify/sample"
