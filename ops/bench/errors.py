"""Owns the one error of the measurements."""


class BenchError(Exception):
    """A measurement cannot be made here; the message says what to do."""
