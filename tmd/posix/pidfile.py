"""The pidfile: tells others our pid, and by its lock makes sure that there is one daemon only.

Promises to change nothing in a file that another daemon holds. The lock belongs to the open file, so it survives a
fork and an exec that keeps the descriptor, and ends with its last holder, however that one ends.
"""

import errno
import fcntl
import os
import stat

from tmd.posix.directories import Directory

ATTEMPTS = 20


class PidFileHeld(Exception):
    """Another daemon holds the pidfile; `pid` is its number as far as can be told."""

    def __init__(self, path: str, pid: int | None) -> None:
        self.path = path
        self.pid = pid
        who = "another daemon" if pid is None else f"another daemon (pid {pid})"
        super().__init__(f"cannot take pidfile '{path}': {who} holds it")


class PidFile:
    """A pidfile whose lock is ours. Keep it as long as the daemon lives."""

    def __init__(self, path: str, fd: int) -> None:
        self.path = path
        self._fd: int | None = fd
        self._directory = Directory(path)

    @classmethod
    def acquire(cls, path: str) -> "PidFile":
        """Take the pidfile, made if need be; `PidFileHeld` if a daemon has it, OSError if it cannot be used.

        Links are not followed. The file is empty until `write`.
        """
        for _ in range(ATTEMPTS):
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
            try:
                if _lock(fd, path):
                    os.ftruncate(fd, 0)  # a number from an earlier life would name a stranger
                    return cls(path, fd)
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)
        raise OSError(errno.EAGAIN, "it keeps changing", path)

    def fileno(self) -> int:
        """Return the descriptor that carries the lock, to be inherited across an exec of ourselves."""
        if self._fd is None:
            raise ValueError("the pidfile is released")
        return self._fd

    def write(self, pid: int) -> None:
        """Put this number in the file; OSError when the disk will not have it."""
        text = b"%d\n" % pid
        os.pwrite(self.fileno(), text, 0)
        os.ftruncate(self.fileno(), len(text))

    def look(self, pid: int) -> bool:
        """See that the file is there with this number, and locked; tell whether it had to be made again.

        `PidFileHeld` if another daemon has taken the path meanwhile, OSError if it cannot be used. The old file stays
        locked then, and `fileno` is the same over all of it.
        """
        fd = self.fileno()
        if _is_at(fd, self.path):
            if os.pread(fd, 32, 0) == b"%d\n" % pid:
                return False
            self.write(pid)
            return True
        self._directory.make_again()
        fresh = PidFile.acquire(self.path)
        try:
            fresh.write(pid)
            os.dup2(fresh.fileno(), fd, inheritable=os.get_inheritable(fd))
        except BaseException:
            fresh.release()
            raise
        fresh.forget()
        return True

    def forget(self) -> None:
        """Give back the descriptor, for there is another one: file and lock stay."""
        os.close(self.fileno())
        self._fd = None

    def hand_over(self, uid: int, gid: int) -> None:
        """Give the file to the user the daemon is about to become."""
        os.fchown(self.fileno(), uid, gid)

    def release(self) -> None:
        """Remove the file, if it is still ours, and give up the lock; idempotent."""
        if self._fd is None:
            return
        try:
            if _is_at(self._fd, self.path):
                os.unlink(self.path)
        except OSError:
            os.ftruncate(self._fd, 0)  # not allowed to remove it, so at least name nobody
        os.close(self._fd)
        self._fd = None


def _lock(fd: int, path: str) -> bool:
    """Lock what was opened; False when the path names another file by now."""
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", path)
    if found.st_nlink > 1:
        raise OSError(errno.EMLINK, "the file has another name too", path)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if not _is_at(fd, path):
            return False  # the holder is just letting go of it
        raise PidFileHeld(path, _holder(fd)) from None
    return _is_at(fd, path)


def _is_at(fd: int, path: str) -> bool:
    try:
        there = os.lstat(path)
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(fd), there)


def _holder(fd: int) -> int | None:
    """Return the pid of who took the lock, or, when that one is no more, the pid that is written in the file.

    What is written may be from an earlier life, for as long as a new holder has not come to emptying it.
    """
    taker = _taker(fd)
    if taker is not None and os.path.exists(f"/proc/{taker}"):
        return taker
    written = os.pread(fd, 32, 0).strip()
    return int(written) if written.isdigit() else taker


def _taker(fd: int) -> int | None:
    found = os.fstat(fd)
    place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    try:
        with open("/proc/locks", encoding="ascii", errors="replace") as locks:
            fields = (line.split() for line in locks)
            return next((int(f[4]) for f in fields if f[1] == "FLOCK" and f[5] == place), None)
    except OSError:
        return None
