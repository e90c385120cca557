"""How facts travel: outbox, relay, streams, groups."""
