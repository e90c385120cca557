"""The bot of Telegram: what people write to it, and what it answers."""
