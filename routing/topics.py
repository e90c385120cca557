"""Owns what topics are called where people read of them; English, and keys of the catalogues."""

from collections.abc import Mapping
from typing import Final

# As in "You get mails about …".
TOPICS: Final[Mapping[str, str]] = {
    "tips": "tips",
    "sales": "sales",
    "memberships": "memberships",
    "live": "live streams",
    "likes": "likes",
    "comments": "comments",
    "shares": "shares",
    "follows": "people you follow and new followers",
    "subscribers": "subscribers",
    "mentions": "mentions",
    "messages": "messages",
    "governance": "proposals",
    "milestones": "milestones",
    "announcements": "announcements",
    "digest": "digests",  # no topic of notifications, but one that can be unsubscribed
}
