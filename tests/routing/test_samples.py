"""The samples: nothing that people are told is missing among them."""

import pytest

from routing.catalog import CATALOG
from routing.model import Code, Digest, Notification
from routing.samples import EVENTS, samples
from routing.texts import LOCALES

URL = "https://hub.example.com"


@pytest.mark.parametrize("locale", LOCALES)
def test_every_row_of_the_catalogue_has_its_sample(locale: str) -> None:
    rows = {(event.name, entry.topic) for event, entries in CATALOG.items() for entry in entries}
    made = list(samples(locale, "UTC", public_url=URL))
    told = {(one.name, one.topic) for one in made if isinstance(one.content, Notification)}
    assert rows <= told
    assert {type(one.content) for one in made} == {Notification, Digest, Code}


def test_every_way_of_saying_a_row_has_its_sample() -> None:
    titles = {
        one.content.title
        for one in samples("en", "UTC", public_url=URL)
        if isinstance(one.content, Notification)
    }
    for kind in ("a post", "a video", "an article", "a short"):
        assert f"Bob published {kind}" in titles
    assert {
        "Carla, Bob and 12 others liked your post",
        "Carla and Bob sent you 14 messages",
    } <= titles
    assert {"Bob bought River stones for 1,234.50 EUR", "Bob bought something for 1,234.50 EUR"} <= titles


def test_samples_tell_of_ann_what_others_did() -> None:
    assert all(event.actor != "ann" for event in EVENTS)
