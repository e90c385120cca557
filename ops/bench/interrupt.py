"""Owns how a command with children of its own is ended from outside."""

import signal
from types import FrameType


def end_like_ctrl_c() -> None:
    """Have SIGTERM do from now on what Ctrl-C does, which ends every child on the way out.

    An exception raised by a handler is lost where it meets a callback of the garbage collector. Ctrl-C is
    safe from that while an event loop runs, as the loop cancels its main task instead: SIGTERM becomes one.
    A second request still raises at once, and where no loop runs, one may have to be repeated.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    signal.raise_signal(signal.SIGINT)
