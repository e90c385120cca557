"""The event types, by the part of the platform that speaks of them."""
