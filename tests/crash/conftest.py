"""Fixtures of the tests that kill processes."""

from collections.abc import AsyncIterator

import pytest

from tests.crash.providers import Providers, all_simulated
from tests.jsclient import js, js_library

__all__ = ["js", "js_library"]


@pytest.fixture
async def providers() -> AsyncIterator[Providers]:
    async with all_simulated() as running:
        yield running
