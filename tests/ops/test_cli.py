"""The command line before any command runs: its help, and what it imports."""

import subprocess
import sys

import click
import pytest

from ops.cli import COMMANDS, hub
from tests.hubprocess import ROOT

HEAVY = ("aiohttp", "asyncpg", "redis", "pydantic", "jwt")
LIGHT = ("aiohttp", "asyncpg", "redis")


def imported(*arguments: str) -> set[str]:
    """What a command has imported when it ends."""
    program = (
        "import sys\nfrom ops.cli import main\nsys.argv = ['hub', *sys.argv[1:]]\n"
        "try:\n    main()\nfinally:\n    print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize(
    "arguments", [["--help"], ["nothing"], *([name, "--help"] for name in COMMANDS if name != "bench")]
)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    assert not imported(*arguments).intersection(HEAVY)


@pytest.mark.parametrize("arguments", [["config"], ["token", "ann"]])
def test_light_commands_import_neither_server_nor_client(arguments: list[str]) -> None:
    found = imported(*arguments)
    assert "pydantic" in found
    assert not found.intersection(LIGHT)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_where_the_table_says(name: str) -> None:
    command = hub.get_command(click.Context(hub), name)
    assert command is not None
    assert command.name == name
