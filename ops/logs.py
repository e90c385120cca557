"""Owns what the logs look like: one JSON object a line on stderr, ours and the libraries' alike."""

import logging
import sys
import time
from collections.abc import Callable

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import Processor

ACCEPT_QUIET_S = 10.0
TRACEBACKS = ExceptionDictTransformer(show_locals=False)  # locals hold tokens and what people wrote


class AcceptTrouble(logging.Filter):
    """Lets one line through where asyncio writes thousands: it reports each attempt to take a connection."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._quiet_until = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.getMessage().startswith("socket.accept() out of system resource"):
            return True
        if self._clock() < self._quiet_until:
            return False
        self._quiet_until = self._clock() + ACCEPT_QUIET_S
        record.msg, record.args, record.exc_info = (
            "no more connections can be taken: too many open files",
            (),
            None,
        )
        return True


def configure(level: str = "info", form: str = "json") -> None:
    """Send every log through structlog; `form` is json or console."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    rendered: list[Processor] = (
        [structlog.processors.ExceptionRenderer(TRACEBACKS), structlog.processors.JSONRenderer()]
        if form == "json"
        else [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        ]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendered],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    logging.getLogger("asyncio").addFilter(AcceptTrouble())
    for chatty in ("socketio", "engineio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.getLogger("asyncpg.pool").setLevel(logging.ERROR)  # a traceback a second while the server is down
