"""Owns the metrics: one registry, every name in one place; no label ever holds what a user wrote."""

from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)

# Of each process, also of one among several; those of the client library know one process only.
RESIDENT = Gauge(
    "hub_process_resident_bytes",
    "Memory in use; of several processes the sum",
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
CPU = Counter("hub_process_cpu_seconds", "Processor time used, in seconds", registry=REGISTRY)

ACCEPTED = Counter("hub_events_accepted", "Events committed, by type", ["type"], registry=REGISTRY)
RELAYED = Counter("hub_events_relayed", "Entries numbered by this relay", registry=REGISTRY)
RELAY_LEADS = Gauge(
    "hub_relay_leads", "1 where the relay leads", registry=REGISTRY, multiprocess_mode="livemax"
)
RELAY_LAG = Gauge(
    "hub_relay_lag_seconds",
    "Age of the oldest entry in the outbox",
    registry=REGISTRY,
    multiprocess_mode="livemax",
)
RELAY_SEQ = Gauge(
    "hub_relay_seq", "Last number the relay gave", registry=REGISTRY, multiprocess_mode="livemax"
)
OUTBOX = Gauge(
    "hub_outbox_entries",
    "Entries that wait for their number",
    registry=REGISTRY,
    multiprocess_mode="livemostrecent",
)
MENDED = Counter("hub_bus_mended", "Entries put back into a stream that had lost them", registry=REGISTRY)
BUS_ERRORS = Counter("hub_bus_errors", "Failed conversations with the stream server", registry=REGISTRY)

GROUP_LAG = Gauge(
    "hub_group_lag_events",
    "Events a group has not handled yet",
    ["group"],
    registry=REGISTRY,
    multiprocess_mode="livemostrecent",
)
HANDLED = Counter("hub_group_handled", "Events handled", ["group"], registry=REGISTRY)
GROUP_ERRORS = Counter("hub_group_errors", "Failed attempts to handle an event", ["group"], registry=REGISTRY)
PARKED = Gauge(
    "hub_parked_events",
    "Events that wait for another attempt",
    ["group"],
    registry=REGISTRY,
    multiprocess_mode="livemostrecent",
)
DEAD = Gauge(
    "hub_dead_events",
    "Events whose attempts are spent",
    ["group"],
    registry=REGISTRY,
    multiprocess_mode="livemostrecent",
)

PUSH_LAG = Histogram(
    "hub_push_lag_seconds",
    "From acceptance to the gateway's hands",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
    registry=REGISTRY,
)
PUSH_HEAD = Gauge(
    "hub_push_head", "Last number meant for sockets", registry=REGISTRY, multiprocess_mode="livemax"
)
PUSH_SEQ = Gauge(
    "hub_push_seq", "Last number this gateway delivered", registry=REGISTRY, multiprocess_mode="livemin"
)
PUSH_GAPS = Counter("hub_push_gaps", "Gaps this gateway filled from the log", registry=REGISTRY)
DELIVERIES = Counter("hub_socket_deliveries", "Packets given to sockets", ["namespace"], registry=REGISTRY)
CONNECTIONS = Gauge(
    "hub_socket_connections",
    "Connected sockets",
    ["namespace"],
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
SOCKET_OPENS = Counter("hub_socket_opens", "Connections that were opened", registry=REGISTRY)
SOCKET_CLOSES = Counter("hub_socket_closes", "Connections that ended, by why", ["reason"], registry=REGISTRY)
SLOW_CLOSES = Counter(
    "hub_socket_slow_closes", "Connections closed for reading too slowly", registry=REGISTRY
)
RECOVERIES = Counter(
    "hub_socket_recoveries", "Clients that came back, by what became of it", ["outcome"], registry=REGISTRY
)
HISTORY_BYTES = Gauge(
    "hub_history_bytes",
    "What is kept for those who come back",
    registry=REGISTRY,
    multiprocess_mode="livemax",
)
HISTORY_MAX_BYTES = Gauge(
    "hub_history_max_bytes",
    "What may be kept for those who come back",
    registry=REGISTRY,
    multiprocess_mode="livemax",
)
SIGNALS_DROPPED = Counter(
    "hub_signals_dropped", "Signals not given to a backlogged socket", registry=REGISTRY
)
CONNECTS_REFUSED = Counter(
    "hub_socket_connects_refused",
    "Namespaces not connected, by the code answered",
    ["code"],
    registry=REGISTRY,
)
MALFORMED_PACKETS = Counter(
    "hub_socket_malformed_packets", "Packets that could not be read", registry=REGISTRY
)
HTTP_SECONDS = Histogram(
    "hub_http_request_seconds", "Time to answer", ["method", "route", "status"], registry=REGISTRY
)

DECISIONS = Counter(
    "hub_decisions",
    "What was decided for endpoints, on arrival and again just before sending",
    ["stage", "channel", "action", "reason"],
    registry=REGISTRY,
)
UNSENT = Counter(
    "hub_deliveries_unsent",
    "Deliveries that ended without reaching anybody, or perhaps so, for other reasons than a decision",
    ["channel", "status", "reason"],
    registry=REGISTRY,
)
ATTEMPTS = Counter(
    "hub_delivery_attempts",
    "Attempts to deliver, by what the provider made of them",
    ["channel", "provider", "outcome"],
    registry=REGISTRY,
)
CALL_SECONDS = Histogram(
    "hub_provider_call_seconds",
    "Time a provider took to answer",
    ["provider"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    registry=REGISTRY,
)
SENT_SECONDS = Histogram(
    "hub_delivery_seconds",
    "From when a delivery was due to when its provider took it",
    ["provider"],
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600),
    registry=REGISTRY,
)
PROVIDER_SHUT = Gauge(
    "hub_provider_shut",
    "1 where a provider is left alone for now",
    ["provider"],
    registry=REGISTRY,
    multiprocess_mode="livemostrecent",
)
SMS_SEGMENTS = Counter(
    "hub_sms_segments",
    "Segments of the SMS that were taken: what is paid for",
    ["provider"],
    registry=REGISTRY,
)

WORK = CollectorRegistry()
"""What `hub work` shows: a gauge of a gateway would stand at 0 there, and that would be wrong."""
for _metric in (
    RESIDENT,
    CPU,
    RELAYED,
    RELAY_LEADS,
    MENDED,
    BUS_ERRORS,
    HANDLED,
    GROUP_ERRORS,
    DECISIONS,
    UNSENT,
    ATTEMPTS,
    CALL_SECONDS,
    SENT_SECONDS,
    PROVIDER_SHUT,
    SMS_SEGMENTS,
):
    WORK.register(_metric)


def exposed(shared: Path | None) -> bytes:
    """Answer the numbers of this process, or those of all that keep theirs in a shared folder.

    Of several, counters are added up, those that have ended included; what the client library measures of one
    process (its files, its garbage) is left out.
    """
    if shared is None:
        return generate_latest(REGISTRY)
    together = CollectorRegistry()
    MultiProcessCollector(together, str(shared))  # type: ignore[no-untyped-call]  # as it is
    return generate_latest(together)


def total(counter: Counter) -> float:
    """What this process has counted, over all labels."""
    samples = (sample for metric in counter.collect() for sample in metric.samples)
    return sum(sample.value for sample in samples if sample.name.endswith("_total"))
