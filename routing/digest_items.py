"""Owns how what was gathered becomes items of a digest: in the person's language, and alike ones as one."""

from collections.abc import Mapping, Sequence
from typing import cast

from routing.model import DigestItem, Notification
from routing.text import called
from routing.words import retitled
from schemas.events.notifications import Topic
from schemas.store.digests import StoredItem

Wanted = tuple[StoredItem, Notification | None]
"""The latest of a notification that is told, and how its event alone is told, if that is known."""


def items_of(wanted: Sequence[Wanted], names: Mapping[str, str]) -> list[DigestItem]:
    """The first of those that are alike comes first. What the inbox has is collapsed already."""
    alike: dict[object, list[Wanted]] = {}
    for row, told in wanted:
        collapse = told.collapse if told and row.title is None else None
        alike.setdefault(collapse or row.notification_id, []).append((row, told))
    return [_item(*same[0]) if len(same) == 1 else _gathered(same, names) for same in alike.values()]


def _item(row: StoredItem, told: Notification | None) -> DigestItem:
    """As the inbox has it, which counts all that was collapsed; one event alone as the person hears now."""
    title, text, url = row.title, row.text, row.url
    if told is not None and row.count in (None, 1):
        title, text, url = told.title, told.text, told.url or row.url
    return DigestItem(
        topic=cast("Topic", row.topic),
        title=title or "",
        text=text,
        url=url,
        at=row.updated_at or row.at,
        count=row.count or 1,
        notification_id=row.notification_id,
    )


def _gathered(same: Sequence[Wanted], names: Mapping[str, str]) -> DigestItem:
    """What the inbox would have made of events that never came to it."""
    row, told = same[0]
    item = _item(row, told)
    if told is None or told.headline is None:
        return item
    actors = list(dict.fromkeys(one.actor for _, one in same if one and one.actor))
    count = len(actors) if told.headline.counts == "actors" and actors else len(same)
    title = retitled(told.headline, [called(one, names) for one in actors], count)
    return DigestItem(
        topic=item.topic,
        title=title,
        text=item.text,
        url=item.url,
        at=item.at,
        count=count,
        notification_id=item.notification_id,
    )
