"""What the contract of channels asks of each: a running simulator, and the channel that leads to it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ops.simulators.base import Behaviours, Message
from routing.channels.base import Channel, Writer

PUBLIC_URL = "https://hub.example.com"
PATIENT_S = 20.0
"""How long a call may take unless silence is what is tested: a hundred at once may take a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A channel against its simulator."""

    channel: Channel
    writer: Writer
    behaviours: Behaviours
    messages: Sequence[Message]
    """What arrived, as the simulator goes on keeping it."""
    address: Callable[[int], str]
    """Valid addresses, by number."""
    kind: str | None = None
    """Of an endpoint; push has several."""
    gone_is_told_later: bool = False
    """The provider takes what cannot arrive, and says so by a webhook."""
    shown: Callable[[Sequence[Message]], Sequence[Message]] = list
    """What of it a person sees, where a device knows a repeat."""

    @property
    def addresses(self) -> list[str]:
        """To whom something is shown, as often as it is."""
        return sorted(one.address for one in self.shown(self.messages))
