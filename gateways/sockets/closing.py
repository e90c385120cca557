"""Owns why a connection ends: the websocket close code of each reason, and what becomes of its buffer."""

from enum import Enum


class Closing(Enum):
    """All but SUSPENDED leave the stock client free to come back: it does so after any lost transport."""

    LEFT = (1000, "the client left")
    UNUSED = (4000, "no namespace was connected in time")
    EXPIRED = (4001, "the token has expired: come back with a fresh one")
    TOO_LARGE = (1009, "a message is larger than maxPayload of the handshake")
    MALFORMED = (4002, "what was sent is not Socket.IO 5")
    SUSPENDED = (4003, "the user is suspended")
    SLOW = (4008, "the client reads too slowly")
    REPLACED = (4007, "the client came back over another connection")
    BROKEN = (4009, "delivery failed here: come back for what is missing")
    SILENT = (4010, "a ping was not answered")
    DRAINING = (4012, "this gateway stops: come back to another one")
    ABUSE = (4029, "far too many events")

    @classmethod
    def of_frames(cls, code: int) -> "Closing":
        """Why a connection ends whose frames cannot be read, from the websocket's own code for that."""
        return cls.TOO_LARGE if code == cls.TOO_LARGE.code else cls.MALFORMED

    @property
    def code(self) -> int:
        return self.value[0]

    @property
    def words(self) -> str:
        return self.value[1]

    @property
    def drops_buffer(self) -> bool:
        """Whether what waits to be sent is thrown away, because nobody takes it or nobody earned it."""
        return self in {Closing.LEFT, Closing.REPLACED, Closing.SLOW, Closing.SILENT, Closing.ABUSE}

    @property
    def is_polite(self) -> bool:
        """Whether a polling client, which cannot be told at once, is told at its next poll."""
        return self in {Closing.EXPIRED, Closing.SUSPENDED, Closing.DRAINING}

    @property
    def is_noteworthy(self) -> bool:
        """Whether somebody may ask about it later; the others happen all the time."""
        return self in {
            Closing.TOO_LARGE,
            Closing.MALFORMED,
            Closing.SUSPENDED,
            Closing.SLOW,
            Closing.ABUSE,
            Closing.BROKEN,
        }
