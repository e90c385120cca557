"""Owns the generator for machines without a C compiler: the same options and lines as `native/loadgen.c`."""

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import psutil

from ops.bench.loadgen_clients import (
    CONNECT_REST,
    DEAD,
    DISORDER,
    READY,
    RECEIVED,
    Counts,
    Plan,
    run_clients,
)
from ops.bench.loadgen_publisher import Publisher

_CONNECT_SECONDS = 120
_PAUSE = 0.0005


class Fleet:
    """The client processes and what they count."""

    def __init__(self, options: argparse.Namespace) -> None:
        context = multiprocessing.get_context("fork")  # no threads here; starts ten times as fast
        self._workers: list[tuple[BaseProcess, Counts, Connection]] = []
        payloads = Path(options.payloads).read_text().splitlines()
        size = min(len(os.sched_getaffinity(0)), options.clients, 16)
        for worker in range(size):
            mine = tuple((i, payloads[i % len(payloads)]) for i in range(worker, options.clients, size))
            plan = Plan(
                port=options.port,
                namespace=options.namespace,
                clients=mine,
                warm=len(range(worker, options.warm, size)),
                connecting=max(1, options.connecting // size),
                step=options.clients if options.unicast else 1,
            )
            counts = context.Array("q", 4, lock=False)
            pipe, theirs = context.Pipe()
            process = context.Process(target=run_clients, args=(plan, counts, theirs), daemon=True)
            process.start()
            theirs.close()
            self._workers.append((process, counts, pipe))

    def connect_rest(self) -> None:
        for _, _, pipe in self._workers:
            pipe.send(CONNECT_REST)

    def count(self, what: int) -> int:
        return sum(counts[what] for _, counts, _ in self._workers)

    def ask(self, question: int | None) -> Counter[int]:
        """Begin a phase with this first number, or (None) learn how often each latency in µs was seen."""
        for _, _, pipe in self._workers:
            pipe.send(question)
        return sum((pipe.recv() for _, _, pipe in self._workers), Counter[int]())

    def cpu(self) -> float:
        """CPU seconds of the generator."""
        pids = (os.getpid(), *(process.pid for process, _, _ in self._workers))
        return sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in pids)


class Servers:
    """What the kernel says about the server's processes."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._processes = [psutil.Process(pid) for pid in pids]

    def cpu(self) -> tuple[float, float]:
        times = [process.cpu_times() for process in self._processes]
        return sum(each.user for each in times), sum(each.system for each in times)

    def rss_kb(self) -> int:
        return sum(int(process.memory_info().rss) for process in self._processes) // 1024


@dataclass(frozen=True, slots=True)
class Reading:
    """What a measurement subtracts."""

    at: float
    user: float
    system: float
    own: float


class Load:
    """One run against one server."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._servers = Servers(options.server_pid)
        self._publisher = Publisher(
            options.redis_port,
            options.stream,
            after=options.after,
            field=f"{options.namespace}\0{options.room}",
            rooms=options.clients if options.unicast else None,
        )

    def connect(self) -> None:
        options, rss = self._options, self._servers.rss_kb()
        self._fleet = Fleet(options)
        if options.warm:
            self._await_clients(options.warm)
            time.sleep(options.settle)
        begin, cpu = time.monotonic(), sum(self._servers.cpu())
        self._fleet.connect_rest()
        self._await_clients(options.clients)
        seconds, cpu = time.monotonic() - begin, sum(self._servers.cpu()) - cpu
        time.sleep(options.settle)
        measured = options.clients - options.warm
        _print(
            name="connect",
            clients=measured,
            seconds=seconds,
            cpu_us_per_connection=cpu * 1e6 / measured,
            rss_kb_before=rss,
            rss_kb_per_connection=(self._servers.rss_kb() - rss) / options.clients,
        )

    def _await_clients(self, clients: int) -> None:
        give_up = time.monotonic() + _CONNECT_SECONDS
        while self._fleet.count(READY) + self._fleet.count(DEAD) < clients and time.monotonic() < give_up:
            time.sleep(_PAUSE)
        ready = self._fleet.count(READY)
        if ready < clients:
            sys.exit(f"loadgen: only {ready} of {clients} clients could connect")

    def run(self, phase: str) -> None:
        name, _, plan = phase.partition("=")
        kind, value, seconds = plan.split(":")
        first = self._publisher.next_number
        self._fleet.ask(first)
        before = self._read()
        expected = self._drive(kind, float(value), before.at + float(seconds))
        per_second = self._fleet.count(RECEIVED) / (time.monotonic() - before.at)
        give_up = time.monotonic() + self._options.drain
        while self._fleet.count(RECEIVED) < expected and time.monotonic() < give_up:
            time.sleep(_PAUSE)
        after = self._read()
        counts = {"published": self._publisher.next_number - first, "expected": expected}
        _print(name=name, **counts, deliveries_per_second=per_second, **self._figures(before, after))

    def _drive(self, kind: str, value: float, end: float) -> int:
        """Publish what is due until the end; answers how many deliveries that should make."""
        fleet, expected, published, begin = self._fleet, 0, 0, time.monotonic()
        while (now := time.monotonic()) < end:
            ready = fleet.count(READY)
            each = min(ready, 1) if self._options.unicast else ready  # deliveries of one event
            under_way = -(-(expected - fleet.count(RECEIVED)) // each) if each else 0
            due = 0
            if kind == "rate" and each:
                due = int((now - begin) * value / each) + 1 - published
            elif kind == "window" and each:
                due = int(value) - under_way
            elif kind == "burst" and each and under_way <= value:
                due = int(value)
            if due > 0:
                self._publisher.publish(due)
                published += due
                expected += due * each
            time.sleep(_PAUSE)
        return expected

    def _read(self) -> Reading:
        return Reading(time.monotonic(), *self._servers.cpu(), self._fleet.cpu())

    def _figures(self, before: Reading, after: Reading) -> dict[str, float]:
        received, wall = self._fleet.count(RECEIVED), after.at - before.at
        user, system = after.user - before.user, after.system - before.system
        each = 1e6 / max(1, received)
        latencies = self._fleet.ask(None)
        return {
            "received": received,
            "disorder": self._fleet.count(DISORDER),
            "dead": self._fleet.count(DEAD),
            "cpu_us_per_delivery": (user + system) * each,
            "user_us_per_delivery": user * each,
            "system_us_per_delivery": system * each,
            "server_cpu_percent": (user + system) / wall * 100,
            "generator_cpu_percent": (after.own - before.own) / wall * 100,
            "p50_us": percentile(latencies, 0.5),
            "p90_us": percentile(latencies, 0.9),
            "p99_us": percentile(latencies, 0.99),
            "max_us": max(latencies, default=0),
        }


def percentile(latencies: Counter[int], share: float) -> int:
    wanted, seen = latencies.total() * share, 0
    for latency in sorted(latencies):
        seen += latencies[latency]
        if seen > wanted:
            return latency
    return max(latencies, default=0)


def _print(**figures: float | str) -> None:
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="See ops/bench/README.md.")
    for name in ("namespace", "room", "payloads", "stream"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("port", "clients", "redis-port", "after"):
        parser.add_argument(f"--{name}", required=True, type=int)
    parser.add_argument("--unicast", action="store_true")
    parser.add_argument("--warm", type=int, default=0)
    parser.add_argument("--connecting", type=int, default=50)
    parser.add_argument("--settle", type=float, default=1)
    parser.add_argument("--drain", type=float, default=10)
    parser.add_argument("--server-pid", type=int, action="append", required=True)
    parser.add_argument("--phase", action="append", default=[])
    return parser.parse_args()


def main() -> None:
    options = _parse()
    load = Load(options)
    load.connect()
    for phase in options.phase:
        load.run(phase)


if __name__ == "__main__":
    main()
