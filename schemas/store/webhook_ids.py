"""Owns webhook_ids: which webhooks were handled, so that each one is handled once."""

from datetime import datetime

from schemas.db import Connection


class WebhookIds:
    """Claims an id inside the caller's transaction, so that the claim and the effects commit together."""

    async def claim(self, tx: Connection, provider: str, webhook: str, now: datetime) -> bool:
        """False if it was handled before; while another transaction handles it, this waits for that one."""
        return bool(
            await tx.fetchval(
                "INSERT INTO webhook_ids (provider, id, at) VALUES ($1, $2, $3)"
                " ON CONFLICT DO NOTHING RETURNING true",
                provider,
                webhook,
                now,
            )
        )
