"""Owns Node.js as peers and clients need it: where it is, and their packages from the lock file."""

import os
import shutil
import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from ops.bench.errors import BenchError

PEERS = Path(__file__).with_name("peers")


@dataclass(frozen=True, slots=True)
class Node:
    """A Node.js with its npm."""

    node: str
    npm: str

    def version(self) -> str:
        shown = subprocess.run([self.node, "--version"], capture_output=True, text=True, check=True)  # noqa: S603
        return shown.stdout.strip().removeprefix("v")

    def install(self, folder: Path) -> Path:
        """Install a folder's packages by its lock file unless they are there; returns the folder."""
        lock, stamp = folder / "package-lock.json", folder / "node_modules" / ".package-lock.json"
        if stamp.exists() and stamp.stat().st_mtime >= lock.stat().st_mtime:
            return folder
        command = [self.npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode != 0:
            raise BenchError(
                f"npm could not install the packages of {folder} (`hub bench` goes without by --peer none):\n"
                f"{done.stderr.strip()}"
            )
        stamp.touch()  # npm keeps the old time when nothing changed
        return folder


def find_node() -> Node | None:
    """The machine's Node.js, or the one of the `node` dependency group."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), sysconfig.get_path("scripts")))
    node, npm = shutil.which("node", path=path), shutil.which("npm", path=path)
    return Node(node, npm) if node and npm else None
