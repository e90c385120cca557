"""Decides as whom a server runs: PostgreSQL refuses to be root, whose folders are often closed to others."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ops.embedded.errors import EmbeddedError

_LAUNCH = Path(__file__).with_name("launch.py")
_TRIAL = "import os, sys; os.mkdir(sys.argv[1]); os.rmdir(sys.argv[1]); os.execv(sys.argv[2], sys.argv[2:])"


@dataclass(frozen=True, slots=True)
class Account:
    """What to put before a command, and who must own the service's files."""

    uid: int
    gid: int
    before: tuple[str, ...] = ()  # around the launcher
    options: tuple[str, ...] = ()  # of the launcher

    def command(self, end: signal.Signals, program: Sequence[str | Path]) -> list[str]:
        """The program, to be sent the signal `end` when this process ends, however it ends."""
        launcher = [sys.executable, "-I", "-S", str(_LAUNCH), str(os.getpid()), str(int(end))]
        return [*self.before, *launcher, *self.options, *(str(part) for part in program)]

    def may_use(self, folder: Path, program: Path) -> bool:
        """Whether it can write in the folder and run the program, found out by doing both."""
        made = str(folder / f".trial-{os.getpid()}")
        trial = [sys.executable, "-I", "-S", "-c", _TRIAL, made, str(program), "--version"]
        command = self.command(signal.SIGKILL, trial)
        try:
            tried = subprocess.run(command, capture_output=True, check=False, timeout=30)  # noqa: S603 - ours
        except (OSError, subprocess.TimeoutExpired):
            return False
        return tried.returncode == 0

    def take_over(self, folder: Path) -> None:
        """Own what an earlier start under another account left."""
        if os.geteuid() != 0 or folder.stat().st_uid == self.uid:
            return
        for path in (folder, *folder.rglob("*")):
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def environment() -> dict[str, str]:
    """Little, so that no setting of ours or of another server gets in; C, because we read the messages."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def ours() -> Account:
    return Account(os.geteuid(), os.getegid())


def for_postgres(folder: Path, program: Path) -> Account:
    """An account with a name, and not root's, that can write in the folder and run the program.

    Nothing is made more open for it.
    """
    if os.geteuid() != 0 and _has_name():
        return ours()
    for account in (_own_namespace(), _nobody()):
        if account is not None and account.may_use(folder, program):
            return account
    who = "as root" if os.geteuid() == 0 else "as a user without a name"
    raise EmbeddedError(
        f"PostgreSQL does not run {who}, and here it may not run as anyone else in {folder}: "
        "start the hub as a normal user, or set HUB_DATABASE_URL to a PostgreSQL of your own"
    )


def _has_name() -> bool:
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:  # as in containers that are given a bare number
        return False
    return True


def _own_namespace() -> Account | None:
    """The same account to the file system, with another name to the program."""
    return Account(os.geteuid(), os.getegid(), options=("--own-namespace",))


def _nobody() -> Account | None:
    """`nobody` with the one right to pass closed folders; for containers that forbid user namespaces."""
    setpriv = shutil.which("setpriv")
    if setpriv is None or os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    rights = ("--inh-caps", "+dac_override", "--ambient-caps", "+dac_override")
    who = ("--reuid", str(nobody.pw_uid), "--regid", str(nobody.pw_gid), "--clear-groups")
    return Account(nobody.pw_uid, nobody.pw_gid, before=(setpriv, *who, *rights))
