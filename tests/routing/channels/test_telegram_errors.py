"""What refusals of Telegram mean, by the words it uses."""

from typing import Any

import pytest
from aiogram.exceptions import (
    TelegramAPIError,
    TelegramBadRequest,
    TelegramConflictError,
    TelegramEntityTooLarge,
    TelegramForbiddenError,
    TelegramNetworkError,
    TelegramNotFound,
)
from aiogram.methods import SendMessage

from routing.channels.telegram_errors import BlockedError, explained
from routing.errors import (
    AmbiguousDeliveryError,
    ChannelMisconfiguredError,
    DeliveryError,
    EndpointGoneError,
    MessageRejectedError,
    TransientDeliveryError,
)

METHOD: Any = SendMessage(chat_id=1, text="x")


@pytest.mark.parametrize(
    ("error", "said", "meant"),
    [
        (TelegramForbiddenError, "Forbidden: bot was blocked by the user", BlockedError),
        (TelegramForbiddenError, "Forbidden: user is deactivated", EndpointGoneError),
        (TelegramForbiddenError, "Forbidden: bot was kicked from the group chat", EndpointGoneError),
        (TelegramBadRequest, "Bad Request: chat not found", EndpointGoneError),
        (TelegramBadRequest, "Bad Request: PEER_ID_INVALID", EndpointGoneError),
        (TelegramBadRequest, "Bad Request: message is too long", MessageRejectedError),
        (TelegramEntityTooLarge, "Request Entity Too Large", MessageRejectedError),
        (TelegramNotFound, "Not Found", ChannelMisconfiguredError),
        (TelegramConflictError, "Conflict: terminated by other getUpdates request", TransientDeliveryError),
        (TelegramNetworkError, "Request timeout error", AmbiguousDeliveryError),
        (TelegramAPIError, "of a new kind", MessageRejectedError),
    ],
)
def test_a_refusal_means_one_thing(
    error: type[TelegramAPIError], said: str, meant: type[DeliveryError]
) -> None:
    assert type(explained(error(method=METHOD, message=said))) is meant


def test_what_the_network_says_is_not_repeated() -> None:
    error = TelegramNetworkError(method=METHOD, message="InvalidURL: https://example.com/bot42:AAsecret/x")
    assert "AAsecret" not in str(explained(error))
    assert "blocked" not in explained(ValueError("bot42:AAsecret")).outcome
