"""The running server against its own OpenAPI document, asked with generated requests."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bus.memory import MemoryBus
from schemas.db import Pool
from tests.gateways.http.served import Caller, gateway_on, serving, with_limits

CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
]
AT_MOST_S = 150


@pytest.fixture
async def server(database: str, pool: Pool) -> AsyncIterator[Caller]:
    async with gateway_on(database, pool, MemoryBus()) as gateway:
        generous = with_limits(gateway, service_rate=1e6, service_burst=10**6, publish_burst=10**6)
        async with serving(generous) as nobody:
            yield nobody.being("root", "user", "admin")


async def schemathesis(caller: Caller, folder: Path, *options: str) -> None:
    """Run the command line against a server; fails with its report."""
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "schemathesis"),
        *("run", f"{caller.url}/v1/openapi.json"),
        *("--header", f"Authorization: Bearer {caller.token}"),
        *("--checks", ",".join(CHECKS)),
        *("--generation-deterministic", "--request-timeout", "10", "--no-color"),
        *options,
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(AT_MOST_S):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    report = output.decode()
    assert process.returncode == 0, report


@pytest.mark.slow
async def test_the_server_keeps_to_its_document(server: Caller, tmp_path: Path) -> None:
    await schemathesis(
        server,
        tmp_path,
        *("--exclude-operation-id", "publish"),
        *("--exclude-path", "/v1/events/tail"),  # has no end
        *("--phases", "examples,coverage,fuzzing", "--max-examples", "8"),
    )


@pytest.mark.slow
async def test_whatever_is_published_gets_an_answer_of_the_document(server: Caller, tmp_path: Path) -> None:
    """Without the phase "coverage", which tries every limit of every member of every type for minutes."""
    await schemathesis(
        server,
        tmp_path,
        *("--include-operation-id", "publish"),
        *("--phases", "examples,fuzzing", "--max-examples", "30"),
    )
