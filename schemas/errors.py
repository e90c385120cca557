"""Owns the one kind of error that a person can act on as it stands."""


class ExplainedError(Exception):
    """Its message is one sentence for whoever runs the hub: what is wrong, and what to do about it."""
