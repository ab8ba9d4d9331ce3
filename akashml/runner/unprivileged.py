"""Postgres refuses to run as root: two ways for root to start it as somebody else.

1. A user namespace in which our own user bears an ordinary number. Files stay ours: no chown, no copies, and a home that
   only root may enter is no obstacle.
2. Where namespaces are forbidden (many containers): a real change of user, after the data was handed over to it. It keeps
   one capability, to pass folders that are closed to others, since the programs may be below such a folder.
"""

from __future__ import annotations

import ctypes
import os
import pwd
from collections.abc import Callable
from pathlib import Path

from akashml.runner.errors import StartError
from akashml.runner.process import libc

CLONE_NEWUSER = 0x10000000
PR_SET_KEEPCAPS = 8
PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 47, 2
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522
ORDINARY_USERS = ("postgres", "nobody", "daemon")


class CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class CapabilityData(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _ordinary_user() -> pwd.struct_passwd:
    for name in ORDINARY_USERS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise StartError(f"Postgres needs an ordinary user to run as, and this machine has none of {', '.join(ORDINARY_USERS)}: add one.")


def enter_namespace(user: pwd.struct_passwd) -> None:
    """Go on in a user namespace where our own user and group are `user`. Raises OSError where that is forbidden."""
    uid, gid = os.geteuid(), os.getegid()
    _check(libc.unshare(CLONE_NEWUSER))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user.pw_uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{user.pw_gid} {gid} 1")


def switch_user(user: pwd.struct_passwd) -> None:
    """Go on as `user`, able to pass closed folders if we were. Raises OSError when we may not change users."""
    libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    bit = 1 << CAP_DAC_OVERRIDE
    data = (CapabilityData * 2)(CapabilityData(bit, bit, bit), CapabilityData(0, 0, 0))
    if libc.capset(ctypes.byref(CapabilityHeader(CAPABILITY_VERSION_3, 0)), ctypes.byref(data)) == 0:
        libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)


def _works(become: Callable[[], None]) -> bool:
    """Try it in a child that does nothing else."""
    pid = os.fork()
    if pid == 0:
        try:
            become()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1] == 0


def _hand_over(folder: Path, uid: int, gid: int) -> None:
    if folder.stat().st_uid == uid:
        return
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.chown(os.path.join(place, name), uid, gid, follow_symlinks=False)
    os.chown(folder, uid, gid)  # last: a hand-over that was interrupted is begun anew


def for_postgres(folders: list[Path]) -> Callable[[], None] | None:
    """What a child must call before it runs Postgres; None when it may run as it is.

    `folders` (data and sockets) belong to the user that Postgres will run as afterwards. Raises StartError when no way is open.
    """
    uid, gid = os.geteuid(), os.getegid()
    if uid != 0 and _has_name(uid):
        return None
    user = _ordinary_user()

    def namespace() -> None:
        enter_namespace(user)

    def switch() -> None:
        switch_user(user)

    if _works(namespace):
        if uid == 0:
            for folder in folders:
                _hand_over(folder, uid, gid)  # they may be another user's from a run without namespaces
        return namespace
    if uid == 0 and _works(switch):
        for folder in folders:
            _hand_over(folder, user.pw_uid, user.pw_gid)
        return switch
    raise StartError(
        "Postgres does not run as root, and here root may neither make a user namespace nor become another user. "
        "Start this as an ordinary user, or set DATABASE_URL to a Postgres of your own."
    )
