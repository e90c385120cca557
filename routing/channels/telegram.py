"""Owns Telegram through one bot: messages as text with entities, answers turned into our errors.

Telegram knows no key: a call whose answer is lost is not repeated by itself. Importing this takes seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, ClassVar, Final, cast

from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import AiogramError, ClientDecodeError
from aiogram.methods import Response, TelegramMethod
from aiogram.methods.base import TelegramType
from aiogram.types import LinkPreviewOptions
from aiogram.utils.formatting import Bold, Text, TextLink
from aiohttp import ClientTimeout

from routing.channels.base import Pace, Receipt, Rendered
from routing.channels.telegram_errors import Floods, UnavailableError, explained, waits
from routing.channels.telegram_text import Part, parts_of
from routing.model import ChannelKind, Endpoint
from schemas.clock import Clock

API: Final = "https://api.telegram.org"
CALL_S: Final = 10.0
CONNECT_S: Final = 5.0
CONNECTIONS: Final = 250
"""More than all lanes have under way: to wait for one would count as a failure to connect."""
PACE: Final = Pace(25.0)  # about 30 are said to be let through; each refusal tells a wait of its own
ALIKE: Final = 256
"""So many texts are kept for whoever else is told the same."""
NO_PREVIEW: Final = LinkPreviewOptions(is_disabled=True)  # nobody's link is fetched unasked


@dataclass(frozen=True, slots=True, kw_only=True)
class TelegramConfig:
    """The bot that messages go out from."""

    token: str
    base_url: str = API
    call_s: float = CALL_S


class _Session(AiohttpSession):
    """Looks at the status before the library does, which forgets it where the answer is a page."""

    def check_response(
        self, bot: Bot, method: TelegramMethod[TelegramType], status_code: int, content: str
    ) -> Response[TelegramType]:
        if status_code == HTTPStatus.SERVICE_UNAVAILABLE:
            raise UnavailableError
        return super().check_response(bot, method, status_code, content)


class TelegramChannel:
    """Writes to chats. All that the bot does in this process goes through its `bot`."""

    kind: ClassVar[ChannelKind] = "telegram"
    provider: ClassVar[str] = "telegram"
    keyed: ClassVar[bool] = False
    most: ClassVar[int] = 100

    def __init__(self, config: TelegramConfig, clock: Clock) -> None:
        server = TelegramAPIServer.from_base(config.base_url)
        session = _Session(api=server, limit=CONNECTIONS)
        # Handed to aiohttp as it is; only with a limit of its own is a failure to connect told from silence.
        session.timeout = cast(
            "float", ClientTimeout(total=config.call_s, connect=min(CONNECT_S, config.call_s))
        )
        self.bot = Bot(config.token, session=session)
        self._clock = clock
        self._floods = Floods()

    @property
    def pace(self) -> Pace:
        return PACE

    async def send(self, message: Rendered, to: Endpoint, *, key: str) -> Receipt:
        del key  # nobody there asks for one
        content = _content(parts_of(message))
        try:
            sent = await self.bot.send_message(to.address, **content, link_preview_options=NO_PREVIEW)
        except ClientDecodeError as error:
            if (taken := _taken(error.data)) is None:
                raise explained(error) from None  # its text shows the whole answer
            number = taken
        except (AiogramError, UnicodeDecodeError) as error:
            if after := waits(error):
                raise self._floods.told_to_wait(to.address, after, self._clock.now()) from error
            raise explained(error) from error
        else:
            number = sent.message_id
        self._floods.taken(to.address)
        return Receipt(f"{to.address}:{number}")

    async def close(self) -> None:
        await self.bot.session.close()


@lru_cache(maxsize=ALIKE)
def _content(parts: tuple[Part, ...]) -> Mapping[str, Any]:
    return MappingProxyType(Text(*map(_node, parts)).as_kwargs())


def _node(part: Part) -> Text:
    text = TextLink(part.text, url=part.url) if part.url else Text(part.text)
    return Bold(text) if part.bold else text


def _taken(answer: Any) -> int | None:
    """The number of a message that Telegram took, though the library cannot read all it says of it."""
    result = answer.get("result") if isinstance(answer, dict) and answer.get("ok") is True else None
    number = result.get("message_id") if isinstance(result, dict) else None
    return number if isinstance(number, int) else None
