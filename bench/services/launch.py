"""Runs one server so that it ends with the bench; a script of its own (`python -I -S launch.py`).

    launch.py PARENT SIGNAL USER COMMAND...

asks the kernel to send SIGNAL when the process PARENT dies (prctl(2), PR_SET_PDEATHSIG), becomes
USER ("-" for whoever we are), and turns into COMMAND. A script rather than a `preexec_fn`, which
may deadlock in a process with threads.

PostgreSQL refuses to run as root. Where the bench is root, the server runs as an unprivileged user
that keeps the one capability CAP_DAC_OVERRIDE, for the wheel and the directories may lie below
/root, which nobody else may enter; changing the permissions of these would be worse.
"""

import ctypes
import os
import pwd
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAP_DAC_OVERRIDE = 1
_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def become(user: str) -> None:
    """Drop root for `user`, keeping only the right to pass by file permissions."""
    entry = pwd.getpwnam(user)
    _check(_libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0))
    os.setgroups([])
    os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
    os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
    mask = 1 << _CAP_DAC_OVERRIDE
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)  # effective, permitted, inheritable
    _check(_libc.capset(header, sets))
    _check(_libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0))


def main(arguments: list[str]) -> None:
    """Prepare this process and replace it by the command; never returns."""
    parent, signal_number, user, command = (
        int(arguments[0]),
        int(arguments[1]),
        arguments[2],
        arguments[3:],
    )
    if user != "-":
        become(user)
    # After the change of user, which clears it.
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0))
    if os.getppid() != parent:  # the bench died before the kernel was asked
        raise SystemExit(1)
    os.execv(command[0], command)  # noqa: S606 - no shell on purpose


if __name__ == "__main__":
    main(sys.argv[1:])
