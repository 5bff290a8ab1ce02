"""Listening sockets, and who is at the other end of one.

Promises that a unix socket never appears under its path with a wider mode than asked for, and that nothing but a dead
socket is ever replaced: not a living one, not a file, not a link.

A unix socket is bound in a private directory beside its path, made what it shall be, set listening, and then linked
into place; link() refuses a path that is taken, so of several daemons one wins. A dead socket is moved aside into
that directory first and looked at again there: what turns out to live after all is put back.
"""

import errno
import os
import socket
import stat
import struct
from contextlib import suppress

BACKLOG = 1024
LONGEST_PATH = 107
"""bytes that fit in sockaddr_un, with its final NUL"""
ATTEMPTS = 20
"""how often a path may change under our hands before we give up"""

CREDENTIALS = struct.Struct("3i")


class SocketInUse(Exception):
    """Another program listens there."""


class SocketRefused(OSError):
    """The socket cannot be made; the text says why, `errno` too where the system refused it."""

    def __init__(self, place: str, reason: str, code: int | None = None) -> None:
        super().__init__(f"cannot listen on {place}: {reason}")
        self.errno = code


def listen_unix(path: str, mode: int, uid: int = -1, gid: int = -1, *, backlog: int = BACKLOG) -> socket.socket:
    """Return a non-blocking socket listening at `path`; -1 leaves an owner as it is.

    Replaces a socket nobody listens on. Raises `SocketInUse` or `SocketRefused`.
    """
    if len(os.fsencode(path)) > LONGEST_PATH:
        size = len(os.fsencode(path))
        raise SocketRefused(f"'{path}'", f"the path is {size} bytes long (at most {LONGEST_PATH})")
    try:
        with _PrivateDirectory(os.path.dirname(path) or ".") as private:
            listener = _listen_in(private, mode, uid, gid, backlog)
            try:
                _put_in_place(private, path)
            except BaseException:
                listener.close()
                raise
            return listener
    except SocketRefused:
        raise
    except OSError as why:
        raise SocketRefused(f"'{path}'", _reason(why), why.errno) from why


def identify(path: str) -> tuple[int, int] | None:
    """Return (device, inode) of what is at `path`, None when there is nothing."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def unlink_if_ours(path: str, identity: tuple[int, int]) -> bool:
    """Remove `path` if it is still the (device, inode) we made; tells whether it is gone by our hand."""
    if identify(path) != identity:
        return False
    try:
        os.unlink(path)
    except OSError:
        return False
    return True


def listen_inet(host: str, port: int, *, backlog: int = BACKLOG) -> socket.socket:
    """Return a non-blocking IPv4 socket listening at `host` ("" is all interfaces) and `port` (0 is any).

    Raises `SocketInUse` or `SocketRefused`. May ask the name service.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(backlog)
        listener.setblocking(False)
    except (OSError, OverflowError) as why:
        listener.close()
        code = why.errno if isinstance(why, OSError) else None
        if code == errno.EADDRINUSE:
            raise SocketInUse(f"cannot listen on {host or '*'}:{port}: another program does") from why
        raise SocketRefused(f"{host or '*'}:{port}", _reason(why), code) from why
    return listener


def peer_credentials(connection: socket.socket) -> tuple[int, int, int]:
    """Return (pid, uid, gid) of who connected to a unix socket, as they were at that moment."""
    pid, uid, gid = CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size))
    return pid, uid, gid


class _PrivateDirectory:
    """A directory nobody else may enter, gone at the end with all that is left in it."""

    def __init__(self, parent: str) -> None:
        self.path = self._make(parent)

    @staticmethod
    def _make(parent: str) -> str:
        for _ in range(ATTEMPTS):
            path = os.path.join(parent, f".tmd-{os.urandom(6).hex()}")
            with suppress(FileExistsError):
                os.mkdir(path, 0o700)
                return path
        raise FileExistsError(errno.EEXIST, "no free name for a directory", parent)

    @property
    def fresh(self) -> str:
        """Where the new socket is made."""
        return os.path.join(self.path, "new")

    @property
    def aside(self) -> str:
        """Where an old socket is looked at."""
        return os.path.join(self.path, "old")

    def __enter__(self) -> "_PrivateDirectory":
        return self

    def __exit__(self, *_: object) -> None:
        for path in (self.fresh, self.aside):
            with suppress(FileNotFoundError):
                os.unlink(path)
        os.rmdir(self.path)


def _listen_in(private: _PrivateDirectory, mode: int, uid: int, gid: int, backlog: int) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _bind(listener, private)
        if (uid, gid) != (-1, -1):
            os.chown(private.fresh, uid, gid)
        os.chmod(private.fresh, mode)
        listener.listen(backlog)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def _bind(listener: socket.socket, private: _PrivateDirectory) -> None:
    """Bind to the private name; one that is too long for an address is reached through a descriptor."""
    if len(os.fsencode(private.fresh)) <= LONGEST_PATH:
        listener.bind(private.fresh)
        return
    directory = os.open(private.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        listener.bind(f"/proc/self/fd/{directory}/new")
    finally:
        os.close(directory)


def _put_in_place(private: _PrivateDirectory, path: str) -> None:
    for _ in range(ATTEMPTS):
        try:
            os.link(private.fresh, path)
        except FileExistsError:
            _move_dead_aside(private, path)
        except OSError as why:
            if why.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS) or identify(path) is not None:
                raise
            os.rename(private.fresh, path)  # a file system without hard links
            return
        else:
            return
    raise SocketRefused(f"'{path}'", "what is there keeps changing")


def _move_dead_aside(private: _PrivateDirectory, path: str) -> None:
    """Make way at `path`, or raise the reason not to."""
    try:
        _must_be_dead(path, path)
        os.rename(path, private.aside)
    except FileNotFoundError:
        return  # gone meanwhile: so much the better
    try:
        _must_be_dead(private.aside, path)
    except (SocketInUse, SocketRefused):
        with suppress(FileExistsError):  # somebody took the place of what we moved: then that one has it
            os.link(private.aside, path)
        raise
    os.unlink(private.aside)


def _must_be_dead(where: str, path: str) -> None:
    """Raise unless a socket without a listener is at `where`; the texts speak of `path`."""
    found = os.lstat(where)
    if not stat.S_ISSOCK(found.st_mode):
        raise SocketRefused(f"'{path}'", f"{_kind(found.st_mode)} is there (remove it, or name another path)")
    if os.geteuid() not in (0, found.st_uid):
        raise SocketRefused(f"'{path}'", f"a socket of uid {found.st_uid} is there")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(where)
        except ConnectionRefusedError:
            return
        except FileNotFoundError:
            raise
        except BlockingIOError:
            pass  # its queue is full: busy, but alive
        except OSError as why:
            if why.errno == errno.EPROTOTYPE:
                raise SocketRefused(f"'{path}'", "a socket of another kind is there") from why
            raise
    raise SocketInUse(f"cannot listen on '{path}': another program does")


def _kind(mode: int) -> str:
    kinds = {stat.S_IFREG: "a regular file", stat.S_IFDIR: "a directory", stat.S_IFLNK: "a symbolic link"}
    return kinds.get(stat.S_IFMT(mode), "something else")


def _reason(why: Exception) -> str:
    return str(why.strerror if isinstance(why, OSError) and why.strerror else why).lower()
