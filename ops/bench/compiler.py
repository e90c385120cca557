"""Owns how our programs in C come to run: compiled where there is a compiler."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ops.bench.errors import BenchError

FLAGS: Final = ("-std=gnu11", "-O2", "-Wall", "-Wextra")
GENERATOR: Final = Path(__file__).with_name("native")
FLOOR: Final = Path(__file__).with_name("native_floor")


def generator_sources() -> list[str]:
    return sorted(str(source) for source in GENERATOR.glob("*.c"))


def floor_sources() -> list[str]:
    """Its own, and what it has in common with the generator."""
    shared = (str(GENERATOR / source) for source in ("valkey.c", "websocket.c"))
    return [*sorted(str(source) for source in FLOOR.glob("*.c")), *shared]


def find_compiler() -> str | None:
    return shutil.which("gcc") or shutil.which("cc")


def compile_c(program: Path, sources: Sequence[str], *more: str) -> bool:
    """Compile a program; False where there is no compiler. Raises BenchError when it does not compile."""
    compiler = find_compiler()
    if compiler is None:
        return False
    command = [compiler, *FLAGS, *more, f"-I{GENERATOR}", *sources, "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own sources
    if done.returncode != 0:
        raise BenchError(f"the {program.name} in C does not compile:\n{done.stderr.strip()}")
    return True
