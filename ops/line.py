"""Owns the line between `hub serve` and one of its workers: connections go down, a few words come up.

It is a pair of Unix sockets. Each byte down is a message; a connection comes with it as a file. Its end means
to the worker that it is alone, and to the other side that the worker is gone.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Final

import structlog

from bus.tasks import spawn

log = structlog.get_logger(__name__)

CONNECTION: Final = b"c"
DRAIN: Final = b"d"
READY: Final = "ready"
LEAVING: Final = "leaving"
AT_A_TIME: Final = 64
TELL_S: Final = 0.5
QUIET_S: Final = 3.0
"""A worker that has said nothing for so long is given connections only if all the others are full."""


class UpperEnd:
    """The end of `hub serve`; `changed` is called whenever the worker has said something."""

    def __init__(self, line: socket.socket, changed: Callable[[], object]) -> None:
        self.ready = self.leaving = False
        self.open = 0
        """How many connections the worker has, as far as it is known."""
        self._line = line
        self._changed = changed
        self._heard = b""
        self._heard_at = _now()
        line.setblocking(False)
        asyncio.get_running_loop().add_reader(line, self._hear)

    @property
    def takes(self) -> bool:
        """Whether it takes whoever is new."""
        return self.ready and not self.leaving

    @property
    def silent_s(self) -> float:
        """For how long the worker has said nothing; one whose loop turns says something every TELL_S."""
        return _now() - self._heard_at

    @property
    def is_quiet(self) -> bool:
        """Whether it may not be well."""
        return self.silent_s > QUIET_S

    def give(self, connection: socket.socket) -> bool:
        """Pass a connection on; False if the worker does not keep up, or is gone."""
        try:
            socket.send_fds(self._line, [CONNECTION], [connection.fileno()])
        except OSError:
            return False
        self.open += 1
        return True

    def drain(self) -> bool:
        """Tell the worker to let its clients go, and to end; False if it does not hear."""
        self.leaving = True
        try:
            self._line.send(DRAIN)
        except OSError:
            return False
        return True

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._line)
        self._line.close()

    def _hear(self) -> None:
        try:
            said = self._line.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if not said:
            asyncio.get_running_loop().remove_reader(self._line)  # its process ends, and is waited for
            self.leaving = True
            return
        self._heard_at = _now()
        *words, self._heard = (self._heard + said).split(b"\n")
        for word in words:
            self._take(word.decode())

    def _take(self, word: str) -> None:
        if word == READY:
            self.ready = True
        elif word == LEAVING:
            self.leaving = True
        else:
            self.open = int(word)
        self._changed()


def _now() -> float:
    return asyncio.get_running_loop().time()


class LowerEnd:
    """The end of a worker."""

    def __init__(
        self,
        line: socket.socket,
        protocol: Callable[[], asyncio.Protocol],
        *,
        drain: Callable[[], object],
        alone: Callable[[], object],
    ) -> None:
        self._line = line
        self._protocol = protocol
        self._drain = drain
        self._alone = alone
        line.setblocking(False)

    def begin(self) -> None:
        """Take connections from now on, until the process ends."""
        asyncio.get_running_loop().add_reader(self._line, self._hear)
        self._say(READY)

    def leave(self) -> None:
        """Say that nobody new should come."""
        self._say(LEAVING)

    async def tell(self, connections: Callable[[], int]) -> None:
        """Say again and again how many connections there are; run it as a background task."""
        while True:
            await asyncio.sleep(TELL_S)
            self._say(str(connections()))  # an unchanged one too: the other side has counted on by itself

    def _say(self, word: str) -> None:
        try:
            self._line.send(word.encode() + b"\n")
        except (BrokenPipeError, ConnectionResetError):
            pass  # nobody listens any more, which is heard below
        except OSError as error:
            if word in (READY, LEAVING):  # a count is said again anyway
                log.warning("`hub serve` cannot be told", word=word, error=str(error))

    def _hear(self) -> None:
        for _ in range(AT_A_TIME):
            try:
                said, files, _, _ = socket.recv_fds(self._line, 1, 1)
            except BlockingIOError:
                return
            except OSError:
                said, files = b"", []
            if files:
                spawn(self._take(socket.socket(fileno=files[0])), name="connection")
            elif said == CONNECTION:
                log.error("a connection was lost: there are too few open files")
            elif said == DRAIN:
                self._drain()
            else:
                asyncio.get_running_loop().remove_reader(self._line)
                self._alone()
                return

    async def _take(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(self._protocol, connection)
        except OSError:
            connection.close()  # gone already
