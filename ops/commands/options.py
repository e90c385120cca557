"""Owns what the commands share: `--data-dir` and durations."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def data_dir_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--data-dir` to a command."""
    return click.option(
        "--data-dir",
        envvar="HUB_DATA_DIR",
        type=click.Path(file_okay=False, path_type=Path),
        help="Folder of the embedded services and the development secret (default .hub).",
    )(command)


class Duration(click.ParamType[timedelta]):
    """A length of time like 90s, 30m, 1h or 7d."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        match = re.fullmatch(r"(\d{1,9})([smhd])", value)
        if not match:
            self.fail(f"{value!r} is not a duration like 90s, 30m, 1h or 7d", param, ctx)
        return timedelta(seconds=int(match[1]) * UNITS[match[2]])
