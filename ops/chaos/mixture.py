"""Owns what is published: a mixture of events, each with the rooms that the contract gives it."""

from dataclasses import dataclass
from random import Random
from typing import Any, Final

from ops.chaos.truth import Rooms
from schemas.ids import uuid7

ZONES: Final = tuple(f"z{n}" for n in range(6))
CONTENT: Final = tuple(f"c{n}" for n in range(16))
PROPOSALS: Final = tuple(f"p{n}" for n in range(6))
STREAMS: Final = tuple(f"s{n}" for n in range(6))

TO_CHOOSE_FROM: Final = {
    "/feed": {
        "zones": {"prefix": "zone:", "ids": ZONES},
        "content": {"prefix": "content:", "ids": CONTENT},
        "proposals": {"prefix": "proposal:", "ids": PROPOSALS},
    },
    "/live": {"streams": {"prefix": "live:", "ids": STREAMS}},
}
"""The rooms that clients enter and leave, by the member of the command that names them."""


@dataclass(frozen=True, slots=True)
class Made:
    """An event that is not sent yet."""

    wire: dict[str, Any]
    rooms: Rooms

    @property
    def id(self) -> str:
        return str(self.wire["id"])


def _made(kind: str, rooms: Rooms, /, **data: Any) -> Made:
    wire = {"specversion": "1.0", "id": str(uuid7()), "type": kind, "actor": "chaos-author", "data": data}
    return Made(wire, rooms)


def created(zone: str | None, title: str = "chaos") -> Made:
    rooms = ("feed", f"zone:{zone}") if zone else ("feed",)
    more = {"zone": zone} if zone else {}
    data = {"content_id": "c-new", "author": "chaos-author", "kind": "post", "title": title}
    return _made("content.created", {"/feed": rooms}, **data, **more)


def liked(content: str) -> Made:
    data = {"content_id": content, "author": "chaos-author"}
    return _made("content.liked", {"/feed": (f"content:{content}",)}, **data)


def commented(content: str) -> Made:
    data = {"content_id": content, "author": "chaos-author", "text": "chaos"}
    return _made("content.commented", {"/feed": (f"content:{content}",)}, **data)


def voted(proposal: str) -> Made:
    return _made(
        "governance.vote_cast", {"/feed": (f"proposal:{proposal}",)}, proposal_id=proposal, choice="yes"
    )


def tipped(to: str, content: str | None) -> Made:
    rooms = {"/notifications": (f"user:{to}",)}
    if content is None:
        return _made("hours.tipped", rooms, to=to, amount=100)
    rooms["/feed"] = (f"content:{content}",)
    return _made("hours.tipped", rooms, to=to, amount=100, content_id=content)


def started(stream: str) -> Made:
    rooms = {"/live": (f"live:{stream}",), "/feed": ("feed",)}
    return _made("live.started", rooms, stream_id=stream, host="chaos-author")


def watched(stream: str) -> Made:
    rooms = {"/live": (f"live:{stream}",)}
    return _made("live.viewer_joined", rooms, stream_id=stream, viewer="chaos-author")


def announced() -> Made:
    return _made("system.announced", {"/notifications": ("everyone",)}, title="chaos", text="chaos")


def one_of_all(random: Random, users: list[str]) -> Made:
    """An event at random; those that everyone gets are rare, as in life."""
    content, zone = random.choice(CONTENT), random.choice(ZONES)
    proposal, stream, user = random.choice(PROPOSALS), random.choice(STREAMS), random.choice(users)
    makers = {
        lambda: created(None): 2,
        lambda: created(zone): 4,
        lambda: liked(content): 30,
        lambda: commented(content): 15,
        lambda: voted(proposal): 14,
        lambda: tipped(user, content): 8,
        lambda: tipped(user, None): 8,
        lambda: started(stream): 2,
        lambda: watched(stream): 15,
        announced: 2,
    }
    return random.choices(list(makers), list(makers.values()))[0]()


def last_words() -> list[Made]:
    """One event for every room that a client may have chosen, then for those that all are in."""
    return [
        *(watched(stream) for stream in STREAMS),
        *(voted(proposal) for proposal in PROPOSALS),
        *(liked(content) for content in CONTENT),
        *(created(zone) for zone in ZONES),
        announced(),
        created(None),
    ]
