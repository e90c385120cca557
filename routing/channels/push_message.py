"""Owns how a message looks to FCM: one id to collapse by on all platforms, and never more than FCM takes."""

import re
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

import orjson
from firebase_admin import messaging

from routing.channels.base import Rendered
from routing.model import Endpoint

MOST: Final = 4096
# Bytes as JSON has them. What is left of MOST beside all these is the text's, and never less than 1,000.
MOST_TITLE: Final = 600
MOST_URL: Final = 600
FIXED: Final = 1_200
LONGEST: Final = timedelta(weeks=4)
MOST_APPLE: Final = 64
MOST_TOPIC: Final = 32


def composed(message: Rendered, to: Endpoint, *, key: str, now: datetime) -> messaging.Message:
    """A message that shows the same notification once, however often it arrives."""
    key = _short(key, MOST_APPLE)
    found = _words(message, key)
    ttl = _ttl(message.expires_at, now)
    found.webpush = _web(message, found.data.get("url"), key, ttl)
    if to.kind != "webpush":
        found.android = _android(message, key, ttl)
        found.apns = _apple(message, key, ttl, now)
    if to.kind == "fid":
        found.fid = to.address
    else:
        found.token = to.address  # in the constructor it would be warned of, and not all devices have fids
    return found


def _words(message: Rendered, key: str) -> messaging.Message:
    url = message.url if message.url and _size(message.url) <= MOST_URL else None
    title = _cut(message.title, MOST_TITLE)
    # The link stands there twice: for an app, and for a browser.
    room = MOST - FIXED - _size(title) - (2 * _size(url) if url else 0)
    data = {"delivery": key}
    if url:
        data["url"] = url
    if message.topic:
        data["topic"] = _short(message.topic, MOST_APPLE)
    if message.group:
        data["group"] = _short(message.group, MOST_APPLE)
    if message.badge is not None:
        data["unread"] = str(message.badge)
    body = _cut(message.text, room) or None
    return messaging.Message(data=data, notification=messaging.Notification(title=title, body=body))


def _android(message: Rendered, key: str, ttl: int | None) -> messaging.AndroidConfig:
    """The tag replaces what is shown already.

    FCM says that it heeds no more than four collapse keys of a device, and none of notifications like these,
    so that many of them may wait for a phone that is off.
    """
    shown = messaging.AndroidNotification(
        tag=key,
        channel_id=_short(message.topic, MOST_APPLE) if message.topic else None,
        notification_count=message.badge,
    )
    priority = "high" if message.urgent else "normal"
    return messaging.AndroidConfig(collapse_key=key, priority=priority, ttl=ttl, notification=shown)


def _apple(message: Rendered, key: str, ttl: int | None, now: datetime) -> messaging.APNSConfig:
    headers = {
        "apns-collapse-id": key,
        "apns-priority": "10" if message.urgent else "5",
        "apns-push-type": "alert",
    }
    if ttl is not None:
        headers["apns-expiration"] = str(int(now.timestamp()) + ttl if ttl else 0)
    group = _short(message.group, MOST_APPLE) if message.group else None
    aps = messaging.Aps(badge=message.badge, sound="default", thread_id=group)
    return messaging.APNSConfig(headers=headers, payload=messaging.APNSPayload(aps))


def _web(message: Rendered, url: str | None, key: str, ttl: int | None) -> messaging.WebpushConfig:
    headers = {"Topic": _web_topic(key), "Urgency": "high" if message.urgent else "normal"}
    if ttl is not None:
        headers["TTL"] = str(ttl)
    link = url if url and url.startswith("https://") else None  # FCM takes no other
    return messaging.WebpushConfig(
        headers=headers,
        notification=messaging.WebpushNotification(tag=key),
        fcm_options=messaging.WebpushFCMOptions(link=link) if link else None,
    )


def _ttl(expires_at: datetime | None, now: datetime) -> int | None:
    """Whole seconds; FCM keeps what has no such limit for four weeks, and nothing for longer."""
    if expires_at is None:
        return None
    return int(max(timedelta(0), min(LONGEST, expires_at - now)).total_seconds())


def _web_topic(key: str) -> str:
    """At most 32 characters of URL-safe base64, as RFC 8030 has it; a UUID fits without its dashes."""
    topic = key.replace("-", "")
    return topic if re.fullmatch(rf"[A-Za-z0-9_]{{1,{MOST_TOPIC}}}", topic) else _digest(key)


def _short(text: str, most: int) -> str:
    return text if _size(text) <= most else _digest(text)


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:MOST_TOPIC]


def _cut(text: str, most: int) -> str:
    """As much of a text as takes no more bytes than that."""
    if _size(text) <= most:
        return text
    used, ellipsis = 0, "…"
    for n, char in enumerate(text):
        used += _size(char)
        if used + _size(ellipsis) > most:
            return text[:n].rstrip() + ellipsis
    return text


def _size(text: Any) -> int:
    """Bytes in JSON, without the quotes."""
    return len(orjson.dumps(text)) - 2
