"""Valkey clusters for tests: real `valkey-server` processes on loopback, of which some may be killed."""

import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from ops.embedded.account import ours
from ops.embedded.valkey import program

PASSWORD = "a-password-of-tests"
SLOTS = 16384
PRIMARIES = 3
NODE_TIMEOUT_MS = 1000
READY_S = 60
SETTINGS = f"""\
bind 127.0.0.1
requirepass {PASSWORD}
primaryauth {PASSWORD}
daemonize no
save ""
appendonly no
maxmemory-policy noeviction
cluster-enabled yes
cluster-node-timeout {NODE_TIMEOUT_MS}
cluster-replica-validity-factor 0
repl-diskless-sync-delay 0
"""


class Member:
    """One process of a cluster."""

    def __init__(self, folder: Path, port: int, bus_port: int) -> None:
        self.port, self.bus_port = port, bus_port
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.client = Redis(host="127.0.0.1", port=port, password=PASSWORD, protocol=2)

    @property
    def url(self) -> str:
        return f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        config = self._folder / "valkey.conf"
        config.write_text(f"{SETTINGS}port {self.port}\ncluster-port {self.bus_port}\n")
        with (self._folder / "log").open("ab") as log:
            command = ours().command(signal.SIGKILL, [program(), config])  # ends with us
            self._process = subprocess.Popen(command, cwd=self._folder, stdout=log, stderr=log)

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it with kill -9."""
        self.client.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def ask(self, *words: Any) -> Any:
        return self.client.execute_command(*words)  # type: ignore[no-untyped-call]

    def info(self) -> dict[str, str]:
        found: dict[str, str] = self.ask("CLUSTER INFO")
        return found

    def id(self) -> str:
        return str(self.ask("CLUSTER MYID").decode())


class ValkeyCluster:
    """Three primaries, and a replica for each if wanted."""

    def __init__(self, folder: Path, *, replicas: bool) -> None:
        ports = _free_ports(4 * PRIMARIES)
        count = PRIMARIES * (2 if replicas else 1)
        self.members = [Member(folder / str(n), ports[2 * n], ports[2 * n + 1]) for n in range(count)]
        self.primaries, self.replicas = self.members[:PRIMARIES], self.members[PRIMARIES:]

    @property
    def urls(self) -> str:
        return ",".join(member.url for member in self.primaries)

    def start(self) -> None:
        for member in self.members:
            member.start()
        wait(lambda: all(_answers(member) for member in self.members))
        for n, member in enumerate(self.primaries):
            first, end = SLOTS * n // PRIMARIES, SLOTS * (n + 1) // PRIMARIES
            member.ask("CLUSTER ADDSLOTSRANGE", first, end - 1)
            member.ask("CLUSTER SET-CONFIG-EPOCH", n + 1)
        for member in self.members[1:]:
            self.members[0].ask("CLUSTER MEET", "127.0.0.1", member.port, member.bus_port)
        wait(self._acquainted)
        for primary, replica in zip(self.primaries, self.replicas, strict=False):
            replica.ask("CLUSTER REPLICATE", primary.id())
        self.wait_whole()

    def _acquainted(self) -> bool:
        return all(int(member.info()["cluster_known_nodes"]) == len(self.members) for member in self.members)

    def wait_whole(self) -> None:
        """Wait until all members that live say that every slot is served, and replicas follow."""
        wait(
            lambda: all(member.info()["cluster_state"] == "ok" for member in self.members if _answers(member))
        )
        wait(lambda: all(self._follows(replica) for replica in self.replicas if _answers(replica)))

    def _follows(self, replica: Member) -> bool:
        info = replica.client.info("replication")
        return bool(info["role"] == "master" or info["master_link_status"] == "up")

    def owner(self, key: str) -> Member:
        """The primary that serves a key."""
        asked = next(member for member in self.members if _answers(member))
        slot = asked.ask("CLUSTER KEYSLOT", key)
        for first, last, primary, *_ in asked.ask("CLUSTER SLOTS"):
            if first <= slot <= last:
                return next(member for member in self.members if member.port == primary[1])
        raise AssertionError(f"nobody serves {key}")

    def replica_of(self, primary: Member) -> Member:
        """The replica that was given to a primary at the start."""
        return self.replicas[self.primaries.index(primary)]

    def wait_failed(self, lost: Member) -> None:
        """Wait until another member serves what a hanging one did."""
        asked = next(member for member in self.members if member is not lost)
        wait(lambda: all(primary[1] != lost.port for _, _, primary, *_ in asked.ask("CLUSTER SLOTS")))

    def flush(self) -> None:
        for member in self.primaries:
            member.client.flushall()

    def stop(self) -> None:
        for member in self.members:
            member.kill()


@contextmanager
def valkey_cluster(folder: Path, *, replicas: bool = False) -> Iterator[ValkeyCluster]:
    """A running cluster."""
    cluster = ValkeyCluster(folder, replicas=replicas)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def wait(true: Callable[[], bool]) -> None:
    """Wait until `true()`; raises TimeoutError when it does not become so in time."""
    until = time.monotonic() + READY_S
    while not true():
        if time.monotonic() > until:
            raise TimeoutError(f"the cluster is not ready within {READY_S} s")
        time.sleep(0.02)


def _answers(member: Member) -> bool:
    try:
        return bool(member.client.ping())
    except (RedisError, OSError):
        return False


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
