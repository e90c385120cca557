"""Owns how things are named: user ids, and the time-ordered UUIDs the hub makes."""

import os
import time
from typing import Annotated, Final
from uuid import UUID

from pydantic import StringConstraints

USER_ID_PATTERN: Final = r"^[A-Za-z0-9_.:-]{1,64}$"

UserId = Annotated[str, StringConstraints(strict=True, pattern=USER_ID_PATTERN)]

ERASED: Final = "erased:"
"""Begins what stands for somebody who was erased."""

_NS_PER_MS: Final = 1_000_000


def uuid7() -> UUID:
    """A UUIDv7 (RFC 9562 §6.2, method 3): milliseconds, then the fraction of the millisecond, then chance.

    The fraction keeps ids made within one millisecond in the order of their making, so they stay
    close together in an index.
    """
    ms, ns = divmod(time.time_ns(), _NS_PER_MS)
    fraction = ns * 4096 // _NS_PER_MS
    chance = int.from_bytes(os.urandom(8)) & (1 << 62) - 1
    return UUID(int=ms << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | chance)
