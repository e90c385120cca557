"""Owns what a measurement needs before it begins: tokens, open files, the peer's Node.js, a generator."""

import json
import resource
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Literal

from gateways.auth import issue
from ops.bench.errors import BenchError
from ops.bench.generator import Generator, native, python
from ops.bench.node import Node, find_node
from ops.bench.servers import PAYLOAD_USER
from schemas.clock import SystemClock

Peer = Literal["node", "floor", "none"]
Say = Callable[[str], None]

_OLDEST_NODE = 20
_TOKEN_LIFE = timedelta(hours=6)


def write_payloads(path: Path, clients: int, secret: str, *, recovery: bool) -> None:
    """One CONNECT payload a line: every client is a user of its own."""
    clock = SystemClock()
    path.touch(mode=0o600)
    with path.open("w") as lines:
        for client in range(clients):
            payload: dict[str, object] = {
                "token": issue(secret, f"bench-{client}", ["user"], _TOKEN_LIFE, clock),
                PAYLOAD_USER: f"bench-{client}",
            }
            if recovery:
                payload["recovery"] = True
            lines.write(json.dumps(payload, separators=(",", ":")) + "\n")


def peer_node(peer: Peer | None, say: Say) -> Node | None:
    if peer in {"floor", "none"}:
        return None
    node = find_node()
    if node is None and peer == "node":
        raise BenchError("Node.js and npm are not on this machine: install them, or pass --peer none")
    if node is None:
        say("warning: there is no Node.js with npm here, so the hub is measured alone")
    elif int(node.version().split(".")[0]) < _OLDEST_NODE:
        raise BenchError(
            f"Node.js {node.version()} is too old for the peer: {_OLDEST_NODE} or newer, or --peer none"
        )
    return node


def best_generator(folder: Path, say: Say) -> Generator:
    say("compiling the load generator")
    compiled = native(folder)
    if compiled is None:
        say("warning: there is no C compiler here; the generator in Python cannot keep a fast server busy")
    return compiled or python()


def allow_files(wanted: int) -> None:
    """Let this process and its children open that many files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted or soft == resource.RLIM_INFINITY:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise BenchError(f"only {hard} open files are allowed: measure fewer --clients, or raise `ulimit -n`")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
