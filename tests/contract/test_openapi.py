"""The running server against its own OpenAPI document, asked with generated requests."""

import asyncio
import sys
from pathlib import Path

from bus.memory import MemoryBus
from schemas.db import Pool
from tests.gateways.http.served import Caller, gateway_on, serving, token_of, with_limits

CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
]
AT_MOST_S = 150


async def schemathesis(caller: Caller, folder: Path, token: str, *options: str) -> str:
    """Run the command line against a server; answers its report, or fails with it."""
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "schemathesis"),
        *("run", f"{caller.url}/v1/openapi.json"),
        *("--header", f"Authorization: Bearer {token}"),
        *("--checks", ",".join(CHECKS)),
        *("--exclude-path", "/v1/events/tail"),  # has no end
        *("--phases", "examples,coverage,fuzzing"),
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
    return report


async def test_the_server_keeps_to_its_document(database: str, pool: Pool, tmp_path: Path) -> None:
    async with gateway_on(database, pool, MemoryBus()) as gateway:
        generous = with_limits(gateway, service_rate=1e6, service_burst=10**6, publish_burst=10**6)
        async with serving(generous) as caller:
            token = token_of("root", "user", "admin")
            report = await schemathesis(caller, tmp_path, token, "--max-examples", "10")
    assert "No issues found" in report
