"""Owns cursors made of a time and an id: how they are written, and how they are read again."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final
from uuid import UUID

from pydantic import PlainValidator, WithJsonSchema

Place = tuple[datetime, UUID]

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
WRONG: Final = "must be `next` of the page before"
DIGITS: Final = 18


def cursor_of(at: datetime, key: UUID) -> str:
    """Name the place of the last item of a page."""
    return f"{(at - EPOCH) // MICROSECOND}-{key.hex}"


def place_of(given: object) -> Place:
    """Find the place that a cursor names; raises ValueError."""
    micros, _, key = str(given).partition("-")
    if not (micros.isascii() and micros.isdigit() and len(micros) <= DIGITS):
        raise ValueError(WRONG)
    try:
        return EPOCH + int(micros) * MICROSECOND, UUID(hex=key)
    except (ValueError, OverflowError):
        raise ValueError(WRONG) from None


Cursor = Annotated[Place, PlainValidator(place_of), WithJsonSchema({"type": "string"})]
