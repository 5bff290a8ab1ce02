"""Listening sockets, and who is at the other end of one.

Promises that a unix socket never appears under its path with a wider mode than asked for, and that nothing but a dead
socket is ever replaced, or a living one that the caller claims: not a file, not a link. Whether one lives is asked of
the kernel first: a connection made only to see would be one more that somebody has to serve.

A unix socket is bound in a private directory beside its path, made what it shall be, set listening, and then linked
into place; link() refuses a path that is taken, so of several daemons one wins. A dead socket is moved aside into
that directory first and looked at again there: what turns out to live after all is put back.
"""

import errno
import grp
import os
import select
import socket
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from tmd.posix.holders import Holder, holders, inet_listeners, told, unix_listeners, unix_namesakes
from tmd.posix.privileges import find_user

BACKLOG = 1024
LONGEST_PATH = 107
"""bytes that fit in sockaddr_un, with its final NUL"""
ATTEMPTS = 20
"""how often a path may change under our hands before we give up"""

LONGEST_NAME = 64
"""bytes of a file's name that still fit in an address when its directory is reached through a descriptor"""

Claim = Callable[[Sequence[Holder]], bool]
"""asked about all processes known to have a living socket open: may it be replaced?"""


class SocketInUse(Exception):
    """Another program listens there. `held`: the processes, as far as they can be found."""

    def __init__(self, place: str, held: Sequence[Holder]) -> None:
        super().__init__(f"cannot listen on {place}: {told(held)}")
        self.held = held


class SocketRefused(OSError):
    """The socket cannot be made; the text says why, `errno` too where the system refused it."""

    def __init__(self, place: str, reason: str, code: int | None = None, *, verb: str = "listen on") -> None:
        super().__init__(f"cannot {verb} {place}: {reason}")
        self.errno = code


def listen_unix(
    path: str, mode: int, uid: int = -1, gid: int = -1, *, backlog: int = BACKLOG, claim: Claim | None = None
) -> socket.socket:
    """Return a non-blocking socket listening at `path`; -1 leaves an owner as it is.

    Replaces a socket nobody listens on, and a living one that `claim` is true of. Raises `SocketInUse` or
    `SocketRefused`.
    """
    if len(os.fsencode(path)) > LONGEST_PATH:
        size = len(os.fsencode(path))
        raise SocketRefused(f"'{path}'", f"the path is {size} bytes long (at most {LONGEST_PATH})")
    try:
        with _PrivateDirectory(path) as private:
            listener = _listen_in(private, mode, uid, gid, backlog)
            try:
                _put_in_place(private, claim)
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
            raise SocketInUse(f"{host or '*'}:{port}", holders(inet_listeners(resolve(host), port))) from why
        raise SocketRefused(f"{host or '*'}:{port}", _reason(why), code) from why
    return listener


def polled(fd: int, events: int) -> bool:
    """Tell whether one of these events of poll(2) has come, or an error or hang-up, which need not be asked for."""
    poll = select.poll()
    poll.register(fd, events)
    return bool(poll.poll(0))


def resolve(host: str) -> str:
    """Return the IPv4 address that listening at `host` means, "" when there is none. May ask the name service."""
    try:
        return socket.gethostbyname(host) if host else "0.0.0.0"
    except (OSError, UnicodeError):
        return ""


def give(path: str, uid: int, gid: int, place: str) -> None:
    """Change the owner of a socket's file, -1 being no change; `SocketRefused` speaks of `place`."""
    try:
        os.chown(path, uid, gid)
    except PermissionError as why:
        if uid not in (-1, os.geteuid()):
            whom, who_can = _user(uid), "only root can"
        else:
            whom, who_can = _group(gid), "only root and its members can"
        raise SocketRefused(f"'{place}' to {whom}", f"{_reason(why)} ({who_can})", why.errno, verb="give") from why


def _user(uid: int) -> str:
    user = find_user(uid)
    return f"user '{user.name}' (uid {uid})" if user else f"uid {uid}"


def _group(gid: int) -> str:
    try:
        return f"group '{grp.getgrgid(gid).gr_name}' (gid {gid})"
    except KeyError:
        return f"gid {gid}"


class _PrivateDirectory:
    """A directory beside a socket's place that nobody else may enter, gone at the end with all that is left in it."""

    def __init__(self, place: str) -> None:
        self.place = place
        self._name = os.path.basename(place)
        if len(os.fsencode(self._name)) > LONGEST_NAME:
            self._name = "new"
        self.path = self._make(os.path.dirname(place) or ".")

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
        """Where the new socket is made: under its own name, for that is what the tables of the system show."""
        return os.path.join(self.path, self._name)

    @property
    def aside(self) -> str:
        """Where an old socket is looked at."""
        return os.path.join(self.path, f"{self._name}.old")

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
            give(private.fresh, uid, gid, private.place)
        os.chmod(private.fresh, mode)
        listener.listen(backlog)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def _bind(listener: socket.socket, private: _PrivateDirectory) -> None:
    with _address(private.fresh) as address:
        listener.bind(address)


@contextmanager
def _address(path: str) -> Iterator[str]:
    """Yield a name for a path that fits in an address: one that is too long is reached through a descriptor."""
    if len(os.fsencode(path)) <= LONGEST_PATH:
        yield path
        return
    directory = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{os.path.basename(path)}"
    finally:
        os.close(directory)


def _put_in_place(private: _PrivateDirectory, claim: Claim | None) -> None:
    path = private.place
    for _ in range(ATTEMPTS):
        try:
            os.link(private.fresh, path)
        except FileExistsError:
            _move_aside(private, claim)
        except OSError as why:
            if why.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS) or identify(path) is not None:
                raise
            os.rename(private.fresh, path)  # a file system without hard links
            return
        else:
            return
    raise SocketRefused(f"'{path}'", "what is there keeps changing")


def _move_aside(private: _PrivateDirectory, claim: Claim | None) -> None:
    """Make way at the place, or raise the reason not to."""
    path = private.place
    try:
        _must_make_way(path, path, claim)
        os.rename(path, private.aside)
    except FileNotFoundError:
        return  # gone meanwhile: so much the better
    try:
        _must_make_way(private.aside, path, claim)
    except (SocketInUse, OSError):
        with suppress(FileExistsError):  # somebody took the place of what we moved: then that one has it
            os.link(private.aside, path)
        raise
    os.unlink(private.aside)


def _must_make_way(where: str, path: str, claim: Claim | None) -> None:
    """Raise unless the socket at `where` is dead or claimed; the texts speak of `path`."""
    found = os.lstat(where)
    if not stat.S_ISSOCK(found.st_mode):
        raise SocketRefused(f"'{path}'", f"{_kind(found.st_mode)} is there (remove it, or name another path)")
    if os.geteuid() not in (0, found.st_uid):
        raise SocketRefused(f"'{path}'", f"a socket of uid {found.st_uid} is there")
    listeners = unix_listeners(path, found)
    if not listeners and _is_dead(where, path):  # the kernel may know of none and yet be asked about too few
        return
    held = holders(unix_namesakes(path) if listeners is None else listeners)
    if claim is None or not held or not claim(held):
        raise SocketInUse(f"'{path}'", held)


def _is_dead(where: str, path: str) -> bool:
    """Knock: tell whether nobody listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, _address(where) as address:
        probe.setblocking(False)
        try:
            probe.connect(address)
        except ConnectionRefusedError:
            return True
        except FileNotFoundError:
            raise
        except BlockingIOError:
            return False  # its queue is full: busy, but alive
        except OSError as why:
            if why.errno == errno.EPROTOTYPE:
                raise SocketRefused(f"'{path}'", "a socket of another kind is there") from why
            raise
    return False


def _kind(mode: int) -> str:
    kinds = {stat.S_IFREG: "a regular file", stat.S_IFDIR: "a directory", stat.S_IFLNK: "a symbolic link"}
    return kinds.get(stat.S_IFMT(mode), "something else")


def _reason(why: Exception) -> str:
    return str(why.strerror if isinstance(why, OSError) and why.strerror else why).lower()
