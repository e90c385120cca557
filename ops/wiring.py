"""Owns how the parts are put together; ends with the table of consumers: all reactions on one screen."""

import os
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import asyncpg

from bus import partitions
from bus.appender import Appender
from bus.base import Bus
from bus.consumer import Consumer, Handler
from bus.gauges import watch, watch_process
from bus.maintenance import Maintenance
from bus.outbox import Outbox
from bus.push_log import PushTail
from bus.redis_streams import RedisBus
from bus.relay import RELAYED, Relay, RelayConfig
from bus.signals import Signals
from bus.tasks import cancel, forever, spawn
from bus.viewers import ViewerCounts
from bus.worker import GroupWorker
from gateways.auth import Authenticator, Keys, PublicKey, SharedSecret
from gateways.config import GatewayConfig
from gateways.gateway import Gateway, Notifying
from gateways.jwks import JwksKeys
from ops.sending import channels, dispatcher, links, senders, tell_missing, webhook_accounts, webhook_secrets
from ops.settings import Auth, Settings, SettingsError
from ops.telegram_name import learn_name
from routing import audiences, router
from routing.consent import Consents
from routing.courtesy import Courtesy
from routing.dispatcher import Dispatcher
from routing.inbox import Inbox
from routing.people import People
from routing.router import Router
from routing.scheduler import Scheduler
from routing.telling import Teller
from routing.walker import Walker
from schemas import migrate
from schemas.clock import Clock, SystemClock
from schemas.db import Connection, Pool, create_pool
from schemas.events.base import Event
from schemas.events.registry import REGISTRY
from schemas.listen import RECONNECT_S, Listener
from schemas.store import stats
from schemas.store.deliveries import WAKE
from schemas.store.events import EventLog
from schemas.store.users import Users


@dataclass(frozen=True, slots=True)
class Base:
    """What every role needs: the database, the streams, and what they agreed on."""

    settings: Settings
    dsn: str
    pool: Pool
    bus: Bus
    instance: partitions.Instance
    name: str
    """Of this process, unique among all."""


@asynccontextmanager
async def base(settings: Settings) -> AsyncIterator[Base]:
    """Connect; raises SettingsError with one clear sentence when something is missing or refuses us."""
    dsn, redis_url = _addresses(settings)
    try:
        pool = await create_pool(dsn, max_size=settings.database_pool)
    except (OSError, TimeoutError, asyncpg.PostgresError, ValueError) as error:
        raise SettingsError(
            f"HUB_DATABASE_URL: the database cannot be reached: {error or 'no answer'}"
        ) from error
    try:
        async with pool.acquire() as tx, tx.transaction():
            await migrate.check(tx)
            instance = await partitions.agree(tx, settings.partitions)
        bus = RedisBus(redis_url, prefix=instance.prefix)
        name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        watching = spawn(watch_process(), name="process")
        try:
            yield Base(settings, dsn, pool, bus, instance, name)
        finally:
            await cancel(watching)
            await bus.close()
    finally:
        pool.terminate()  # tasks that were cancelled may have left connections in the middle of something


@asynccontextmanager
async def doors(
    parts: Base, *, dev_secret: str | None = None, simulators: Mapping[str, str] | None = None
) -> AsyncIterator[Gateway]:
    """Make what the doors need, and listen for what the relay does."""
    listener = Listener(parts.dsn, RELAYED)
    running = [
        spawn(forever(listener.listen, name="listener", pause_s=RECONNECT_S), name="listener"),
        spawn(watch(parts.pool), name="gauges"),  # here, because here /metrics is asked
        spawn(learn_name(parts.settings, parts.pool), name="name of the bot"),
    ]
    try:
        yield _gateway(parts, listener, _gateway_config(parts, dev_secret, simulators or {}))
    finally:
        await cancel(*running)


def _gateway(parts: Base, listener: Listener, config: GatewayConfig) -> Gateway:
    clock, outbox = SystemClock(), Outbox(parts.pool)
    return Gateway(
        name=parts.name,
        config=config,
        clock=clock,
        auth=_authenticator(parts.settings, clock),
        pool=parts.pool,
        outbox=outbox,
        events=EventLog(parts.pool, listener),
        users=Users(),
        push=PushTail(parts.bus, parts.pool, window_s=parts.settings.recovery_window),
        signals=Signals(parts.bus),
        viewers=ViewerCounts(parts.bus, parts.name),
        notifying=Notifying(
            inbox=Inbox(parts.pool, outbox, clock), consents=Consents(clock), links=links(parts.settings)
        ),
        readiness={"database": _database_answers(parts.pool), "redis": parts.bus.ping},
    )


@asynccontextmanager
async def workers(parts: Base, *, url: str | None = None) -> AsyncIterator[Dispatcher]:
    """Run the relay, the groups, the walker, the sending, the digests and the maintenance in the background.

    `url` is where the hub is reached if no setting says so. Yields who sends, for those who end it earlier.
    """
    outbox, clock = Outbox(parts.pool), SystemClock()
    people = People(clock, most=parts.settings.hourly_per_channel)
    teller = Teller(outbox, people, channels(parts.settings))
    tell_missing(parts.settings)
    due = Listener(parts.dsn, WAKE)
    sending = dispatcher(
        parts.settings,
        senders(parts.settings, clock, url),
        worker=parts.name,
        pool=parts.pool,
        listener=due,
        people=people,
        clock=clock,
        url=url,
    )
    courtesy = Courtesy()
    walker = Walker(parts.pool, outbox, teller, people, clock, name=parts.name, courtesy=courtesy)
    router = Router(teller, people, clock, walker.wake, courtesy)
    consumers = table_of_consumers(router.handle)
    running = [
        spawn(_relay(parts, consumers).run(), name="relay"),
        spawn(_maintenance(parts, clock).keep(), name="maintenance"),
        spawn(walker.run(), name="walker"),
        spawn(forever(due.listen, name="listener of deliveries", pause_s=RECONNECT_S), name="listener"),
        spawn(sending.run(), name="dispatcher"),
        spawn(Scheduler(parts.pool, people, clock).run(), name="scheduler"),
        *(spawn(_worker(parts, consumer).run(), name=consumer.group) for consumer in consumers),
    ]
    try:
        yield sending
    finally:
        try:
            await sending.end()
        finally:  # workers give their leases back
            await cancel(*running)


def _maintenance(parts: Base, clock: Clock) -> Maintenance:
    days = parts.settings.retention_days
    window = timedelta(seconds=parts.settings.recovery_window)
    return Maintenance(parts.pool, clock, timedelta(days=days) if days else None, window=window)


def _relay(parts: Base, consumers: Sequence[Consumer]) -> Relay:
    appender = Appender(
        parts.bus,
        parts.pool,
        partitions=parts.instance.partitions,
        groups=[consumer.group for consumer in consumers],
        window_s=parts.settings.recovery_window,
    )
    return Relay(parts.dsn, appender, RelayConfig(partitions=parts.instance.partitions))


def _worker(parts: Base, consumer: Consumer) -> GroupWorker:
    return GroupWorker(
        consumer,
        worker=parts.name,
        pool=parts.pool,
        bus=parts.bus,
        partitions=parts.instance.partitions,
    )


def _addresses(settings: Settings) -> tuple[str, str]:
    if settings.database_url is None:
        raise SettingsError("HUB_DATABASE_URL is not set; `hub up` brings a database of its own")
    if settings.redis_url is None:
        raise SettingsError("HUB_REDIS_URL is not set; `hub up` brings a Valkey of its own")
    return settings.database_url.get_secret_value(), settings.redis_url.get_secret_value()


def _gateway_config(parts: Base, dev_secret: str | None, simulators: Mapping[str, str]) -> GatewayConfig:
    settings = parts.settings
    return GatewayConfig(
        limits=settings.limits,
        public_url=settings.public_url,
        allowed_origins=settings.allowed_origins,
        trusted_proxies=settings.trusted_proxies,
        recovery_window=settings.recovery_window,
        webhook_secrets=webhook_secrets(parts.settings),
        webhook_accounts=webhook_accounts(parts.settings),
        channels=channels(parts.settings),
        telegram_bot=parts.settings.telegram.number,
        simulators=simulators,
        dev_secret=dev_secret,
    )


def _authenticator(settings: Settings, clock: Clock) -> Authenticator:
    return Authenticator(
        _keys(settings.auth), clock, issuer=settings.auth.issuer, audience=settings.auth.audience
    )


def _keys(auth: Auth) -> Keys:
    try:
        if auth.secret:
            return SharedSecret(auth.secret.get_secret_value())
        if auth.public_key:
            return PublicKey(auth.public_key)
    except ValueError as error:
        raise SettingsError(f"HUB_AUTH__PUBLIC_KEY: {error}") from error
    if auth.jwks_url:
        return JwksKeys(auth.jwks_url)
    raise SettingsError(
        "set HUB_AUTH__SECRET, HUB_AUTH__PUBLIC_KEY or HUB_AUTH__JWKS_URL: whose tokens count?"
    )


def _database_answers(pool: Pool) -> Callable[[], Awaitable[None]]:
    async def check() -> None:
        await pool.fetchval("SELECT 1")

    return check


EVERY_EVENT: Final = tuple(REGISTRY.types())


async def _routed_elsewhere(_tx: Connection, _events: Sequence[Event]) -> None:
    raise RuntimeError("only a worker routes events")


def table_of_consumers(route: Handler = _routed_elsewhere) -> tuple[Consumer, ...]:
    """The whole system's reactions: which group does what upon which events.

    `route` is what tells people of events; who only asks which groups there are has none.
    """
    return (
        Consumer(group="stats", handlers=dict.fromkeys(EVERY_EVENT, stats.count), reset=stats.reset),
        Consumer(group=audiences.GROUP, handlers=dict.fromkeys(audiences.KEPT_BY, audiences.keep)),
        Consumer(group=router.GROUP, handlers=dict.fromkeys(router.TOLD_OF, route)),
    )
