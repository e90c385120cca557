"""Owns what Telegram tells the bot by webhook: kept as it is, for the process that runs the bot."""

import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Final

import orjson

from gateways.problems import ProblemError, bad_request
from gateways.webhooks.base import Webhook
from schemas.db import Connection
from schemas.store.telegram_updates import HORIZON, TelegramUpdates, is_stale

HEADER: Final = "X-Telegram-Bot-Api-Secret-Token"


class TelegramHook:
    """POST /webhooks/telegram."""

    provider: ClassVar[str] = "telegram"

    def __init__(self) -> None:
        self._updates = TelegramUpdates()

    def read(self, headers: Mapping[str, str], body: bytes, secret: str, now: datetime) -> Webhook:
        shown = headers.get(HEADER, "").encode(errors="surrogateescape")  # as it came: it need not be ASCII
        if not hmac.compare_digest(shown, secret.encode()):
            raise ProblemError(401, "unauthorized", f"the header `{HEADER}` does not hold our secret")
        try:
            said: Any = orjson.loads(body)
        except ValueError:
            raise bad_request("the body is not JSON in UTF-8") from None
        number = said.get("update_id") if isinstance(said, dict) else None
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 1 << 63:
            raise bad_request("the body has no `update_id`")
        if is_stale(said, now):
            raise bad_request(
                f"the update is older than {HORIZON.days} days: it is not known any more if it came"
            )
        return Webhook(str(number), said)

    async def apply(self, tx: Connection, webhook: Webhook, now: datetime) -> None:
        await self._updates.put(tx, webhook.said, now)
