"""Owns what becomes of open digests, and of what quiet hours hold, when their person changes what holds."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from routing.digest import due_for
from routing.model import Endpoint, Recipient
from routing.people import People
from schemas.clock import Clock
from schemas.db import Connection
from schemas.store.deliveries import Deliveries
from schemas.store.digests import Digests, StoredDigest
from schemas.store.notifications import Notifications


async def reschedule(tx: Connection, user: str, clock: Clock) -> None:
    """Let what waits leave when the person wants it now; call it after the change, in its transaction.

    What is due already is judged when it is closed, and so is that of a person who wants no digest any more:
    until then they may want it again.
    """
    digests, now = Digests(), clock.now()
    # Whoever is telling the person something loaded them before the change: what they gather moves, too.
    await Notifications().seize(tx, user)
    await Deliveries().release(tx, user, now)
    gathering = await digests.gathering(tx, user)
    if not gathering:
        return
    to = (await People(clock).load(tx, [user])).get(user)
    if to is None:
        return
    for one, endpoint in _elsewhere(gathering, to).items():
        await digests.take_along(tx, one, endpoint.channel, endpoint.id)
    if to.preferences.digest.mode != "off":
        await digests.move(tx, user, to.preferences.digest.channel, due_for(to, now), now)


def _elsewhere(gathering: Sequence[StoredDigest], to: Recipient) -> Mapping[UUID, Endpoint]:
    """Where digests are to leave from now on that would be lost where they are."""
    digest = to.preferences.digest
    usable = {one.id for one in to.endpoints}
    found = {}
    for one in gathering:
        wanted = one.channel if one.kind == "spacing" or digest.mode == "off" else digest.channel
        if one.channel == wanted and one.endpoint_id in usable:
            continue
        if (there := next((each for each in to.endpoints if each.channel == wanted), None)) is not None:
            found[one.id] = there
    return found
