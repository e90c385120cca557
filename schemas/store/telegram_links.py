"""Owns telegram_links: what a person shows the bot to say who they are, once; and how the bot is called."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import token_urlsafe
from typing import Final, Literal

from schemas.db import Source

LIFETIME: Final = timedelta(minutes=10)
LONGEST: Final = 64
"""Telegram hands on no more of what follows `?start=`, and only letters, digits, _ and -."""

USE: Final = """
UPDATE telegram_links SET used_at = $2 WHERE token_digest = $1 AND used_at IS NULL AND expires_at > $2
RETURNING user_id
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a token that somebody showed is worth; `user_id` is whose it is, if it is anybody's."""

    state: Literal["fresh", "used", "expired", "unknown"]
    user_id: str | None = None


def new_token() -> str:
    return token_urlsafe(32)


def token_digest(token: str) -> bytes:
    """All that is kept of a token: it cannot be guessed, so a plain digest does."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()


class TelegramLinks:
    """Tokens of people."""

    async def put(self, conn: Source, user: str, token: str, now: datetime) -> datetime:
        """Keep a new token; answers until when it is worth something."""
        expires_at = now + LIFETIME
        await conn.execute(
            "INSERT INTO telegram_links (token_digest, user_id, created_at, expires_at)"
            " VALUES ($1, $2, $3, $4)",
            token_digest(token),
            user,
            now,
            expires_at,
        )
        return expires_at

    async def made_since(self, conn: Source, user: str, since: datetime) -> list[datetime]:
        """When a person has made some since then, the latest first."""
        rows = await conn.fetch(
            "SELECT created_at FROM telegram_links WHERE user_id = $1 AND created_at > $2"
            " ORDER BY created_at DESC",
            user,
            since,
        )
        return [row["created_at"] for row in rows]

    async def use(self, conn: Source, token: str, now: datetime) -> Shown:
        """Take a token: of all who show it at the same time, one finds it fresh."""
        user = await conn.fetchval(USE, token_digest(token), now)
        if user is not None:
            return Shown("fresh", user)
        shown = await self.look(conn, token, now)
        return Shown("expired", shown.user_id) if shown.state == "fresh" else shown

    async def look(self, conn: Source, token: str, now: datetime) -> Shown:
        """Say what a token is worth, and take nothing."""
        row = await conn.fetchrow(
            "SELECT user_id, used_at, expires_at FROM telegram_links WHERE token_digest = $1",
            token_digest(token),
        )
        if row is None:
            return Shown("unknown")
        if row["used_at"] is not None:
            return Shown("used", row["user_id"])
        return Shown("fresh" if now < row["expires_at"] else "expired", row["user_id"])

    async def call_bot(self, conn: Source, number: str, username: str) -> None:
        """Note how the bot of this number is called."""
        await conn.execute(
            "INSERT INTO telegram_bot (number, username) VALUES ($1, $2)"
            " ON CONFLICT (one) DO UPDATE SET number = $1, username = $2",
            number,
            username,
        )

    async def bot(self, conn: Source, number: str) -> str | None:
        """How the bot of this number is called; None as long as nobody has told that."""
        name: str | None = await conn.fetchval("SELECT username FROM telegram_bot WHERE number = $1", number)
        return name

    async def link(self, conn: Source, number: str, token: str) -> str | None:
        """The address that opens the chat with the bot and shows it the token; None without a bot."""
        name = await self.bot(conn, number)
        return f"https://t.me/{name}?start={token}" if name else None
