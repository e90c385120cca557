"""Fixtures of the tests that kill processes."""

from tests.jsclient import js, js_library

__all__ = ["js", "js_library"]
