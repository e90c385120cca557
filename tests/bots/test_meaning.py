"""What updates mean, read by the library and without a word to anybody."""

import logging
from typing import Any

import pytest

from bots.linking import Wish
from bots.meaning import Meaning
from routing.channels.telegram import TelegramChannel
from tests.bots.robot import message
from tests.simulated_telegram import ANN, Telegram, membership


@pytest.fixture
def meaning(channel: TelegramChannel) -> Meaning:
    return Meaning(channel.bot)


@pytest.mark.parametrize(
    ("text", "kind", "token"),
    [
        ("/start", "explain", ""),
        ("/start  abc ", "link", "abc"),
        ("/start@hub_simulated_bot abc", "link", "abc"),
        ("/stop", "stop", ""),
        ("/stop it", "stop", ""),
        ("/STOP", "stop", ""),
        ("/stopped", "explain", ""),
        ("stop", "explain", ""),
        ("/start@another_bot abc", "explain", ""),
    ],
)
async def test_what_people_write_in_private(meaning: Meaning, text: str, kind: str, token: str) -> None:
    wish = await meaning.of({"update_id": 1, **message(text)})
    assert wish is not None
    assert (wish.kind, wish.token, wish.chat, wish.name) == (kind, token, ANN, "Ann")


@pytest.mark.parametrize(
    ("before", "now", "kind"),
    [("member", "kicked", "block"), ("kicked", "member", "unblock"), ("member", "member", None)],
)
async def test_a_change_of_membership_in_private(meaning: Meaning, before: str, now: str, kind: Any) -> None:
    wish = await meaning.of({"update_id": 1, "my_chat_member": membership(ANN, before, now)})
    assert wish == (Wish(kind=kind, chat=ANN) if kind else None)


async def test_to_be_thrown_out_of_a_group_means_nothing(meaning: Meaning) -> None:
    change = membership(-5, "member", "kicked", kind="group")
    assert await meaning.of({"update_id": 1, "my_chat_member": change}) is None


@pytest.mark.parametrize("update", [{}, {"of_a_new_kind": {"id": 1}}, {"poll": "?"}])
async def test_what_was_not_asked_for_is_not_even_read(meaning: Meaning, update: dict[str, Any]) -> None:
    assert await meaning.of({"update_id": 1, **update}) is None


async def test_no_word_of_it_is_logged_and_no_token_shown(
    meaning: Meaning, telegram: Telegram, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        wish = await meaning.of({"update_id": 1, **message("/start secret-token")})
        with pytest.raises(ValueError, match="validation"):
            await meaning.of({"update_id": 2, "message": {"text": "secret-token"}})
    assert "secret-token" not in caplog.text
    assert "secret-token" not in repr(wish)
