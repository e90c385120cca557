"""Starts one program that ends when the process that wanted it ends; run as a script, before anything else.

    python launch.py PARENT SIGNAL [--own-namespace] PROGRAM ARGUMENT…

A script of its own rather than a `preexec_fn`, because that runs Python between fork and exec in a process
that may have threads, and because a new user namespace needs a process with one thread.
"""

import ctypes
import os
import pwd
import signal
import sys

_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER = 0x10000000
_OVERFLOW = 65534  # what the kernel calls users that a namespace does not know


def _call(name: str, *arguments: int) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _any_name() -> int:
    """A user in the password file: PostgreSQL wants to be not 0 and to have a name, whichever."""
    numbers = {entry.pw_uid for entry in pwd.getpwall()} - {0}
    return min(numbers - {_OVERFLOW}, default=_OVERFLOW)


def _own_namespace() -> None:
    """Be somebody else by name while staying who we are to the file system."""
    user, group, inside = os.getuid(), os.getgid(), _any_name()
    _call("unshare", _CLONE_NEWUSER)
    for file, content in (
        ("setgroups", "deny"),
        ("uid_map", f"{inside} {user} 1"),
        ("gid_map", f"{inside} {group} 1"),
    ):
        with open(f"/proc/self/{file}", "w") as target:  # noqa: PTH123 - starts faster without pathlib
            target.write(content)


def _end_with(parent: int, end: int) -> None:
    # What a shell in the background ignores or blocks is inherited, and would be lost until the program has a
    # handler of its own; the kernel sends it once.
    if end != signal.SIGKILL:  # which nobody can ignore
        signal.signal(end, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {end})
    _call("prctl", _PR_SET_PDEATHSIG, end, 0, 0, 0)
    if os.getppid() != parent:  # it died before the kernel was told
        sys.exit(1)


def main(arguments: list[str]) -> None:
    parent, end, *rest = arguments
    if rest[0] == "--own-namespace":
        _own_namespace()
        rest = rest[1:]
    if sys.platform == "linux":
        _end_with(int(parent), int(end))
    os.execvp(rest[0], rest)  # noqa: S606 - starting a program is what this file is for


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except OSError as error:
        sys.exit(f"cannot start {sys.argv[-1]}: {error}")
