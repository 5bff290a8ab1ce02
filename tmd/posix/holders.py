"""Who listens at an address: the sockets that the kernel knows there, and the processes that have them open.

Only looks: no connection is made, nothing is changed. What we may not see is missing from an answer, never guessed.
"""

import os
import socket
import struct
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

NAMED_AT_MOST = 3
"""so many processes are named in a message"""

DIAG_PATIENCE_S = 1.0
LISTENS = 10
ACCEPTS = 0x10000
"""of the flags in /proc/net/unix: somebody listens there"""
NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, DUMP, DONE, ERROR = 4, 20, 0x301, 3, 2
SHOW_NAME_AND_FILE = 3
NAME, FILE = 0, 1
HEADER, REQUEST, SOCKET, ATTRIBUTE = (struct.Struct(f"={fields}") for fields in ("IHHII", "BBHIIIII", "BBBBIII", "HH"))


class Holder(NamedTuple):
    """A process that has a socket open. `environment`: what it began with, None where we may not see it."""

    pid: int
    name: str
    environment: Mapping[str, str] | None


class _Listening(NamedTuple):
    """A listening unix socket: its own inode, the path it was bound to, and (inode, device) of its file."""

    inode: int
    bound: str
    file: tuple[int, int] | None = None


def unix_listeners(path: str, found: os.stat_result) -> set[int] | None:
    """Return the inodes of the sockets that listen behind a file, None when the kernel does not tell.

    `path`: where the file belongs; it may be elsewhere now.
    """
    device = os.major(found.st_dev) << 20 | os.minor(found.st_dev)
    number = found.st_ino & 0xFFFFFFFF
    try:
        known = list(_diagnosed())
    except (OSError, struct.error):
        return None
    return {
        each.inode
        for each in known
        if each.file is not None
        and each.file[0] == number
        and (each.file[1] == device or _bound_to(each.bound, path))  # a layered file system has several devices
    }


def unix_namesakes(path: str) -> set[int]:
    """Return the inodes of the sockets that listen and were made for a path, whether they are still there or not."""
    found = set()
    for line in _lines("/proc/net/unix"):
        fields = line.rstrip("\n").split(None, 7)
        if len(fields) == 8 and fields[4] == "0001" and int(fields[3], 16) & ACCEPTS and _bound_to(fields[7], path):
            found.add(int(fields[6]))
    return found


def inet_listeners(address: str, port: int) -> set[int]:
    """Return the inodes of the sockets that keep others from listening at an IPv4 address."""
    ours = {"0.0.0.0", address}
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in _lines(table):
            fields = line.split()
            if fields[3] != "0A":
                continue
            at, _, number = fields[1].partition(":")
            if int(number, 16) == port and (address == "0.0.0.0" or _ipv4(at) in ours):
                found.add(int(fields[9]))
    return found


def holders(inodes: Collection[int]) -> tuple[Holder, ...]:
    """Return the processes that have one of these sockets open, as far as we may see, by pid."""
    links = {f"socket:[{inode}]" for inode in inodes}
    pids = sorted(int(name) for name in os.listdir("/proc") if name.isdigit()) if links else []
    return tuple(_describe(pid) for pid in pids if _has_open(pid, links))


def named(held: Sequence[Holder]) -> str:
    """Return the names of some processes: `pid 12 (nginx) and pid 13 (nginx)`."""
    names = [f"pid {holder.pid} ({holder.name})" for holder in held[:NAMED_AT_MOST]]
    if len(held) > NAMED_AT_MOST:
        names.append(f"{len(held) - NAMED_AT_MOST} more")
    return " and ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else "".join(names)


def told(held: Sequence[Holder]) -> str:
    """Return who does it, as the end of a sentence: `pid 12 (nginx) does`."""
    return f"{named(held)} {'does' if len(held) == 1 else 'do'}" if held else "another program does"


def _bound_to(bound: str, path: str) -> bool:
    """Tell whether a socket was bound to a path, or under that name in a private directory beside it."""
    directory, name = os.path.split(bound)
    return bound == path or (
        name == os.path.basename(path)
        and os.path.basename(directory).startswith(".tmd-")
        and os.path.dirname(directory) == os.path.dirname(path)
    )


def _diagnosed() -> Iterator[_Listening]:
    """Ask the kernel for the listening unix sockets, each with the file it is behind; OSError."""
    ask = REQUEST.pack(socket.AF_UNIX, 0, 0, 1 << LISTENS, 0, SHOW_NAME_AND_FILE, 0xFFFFFFFF, 0xFFFFFFFF)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as link:
        link.settimeout(DIAG_PATIENCE_S)
        link.send(HEADER.pack(HEADER.size + len(ask), SOCK_DIAG_BY_FAMILY, DUMP, 1, 0) + ask)
        while True:
            answer = link.recv(1 << 16)
            while answer:
                size, kind, *_ = HEADER.unpack_from(answer)
                if kind == DONE:
                    return
                if kind == ERROR or size < HEADER.size:
                    raise OSError("the kernel does not tell")
                if kind == SOCK_DIAG_BY_FAMILY:
                    yield from _listening(answer[HEADER.size : size])
                answer = answer[_aligned(size) :]


def _listening(message: bytes) -> Iterator[_Listening]:
    _, kind, state, _, inode, _, _ = SOCKET.unpack_from(message)
    if (kind, state) != (socket.SOCK_STREAM, LISTENS):
        return
    attributes = {}
    rest = message[SOCKET.size :]
    while len(rest) >= ATTRIBUTE.size:
        size, name = ATTRIBUTE.unpack_from(rest)
        attributes[name] = rest[ATTRIBUTE.size : size]
        rest = rest[max(_aligned(size), ATTRIBUTE.size) :]
    file = attributes.get(FILE)
    bound = os.fsdecode(attributes.get(NAME, b"").rstrip(b"\0"))
    yield _Listening(inode, bound, None if file is None else struct.unpack("=II", file))


def _aligned(size: int) -> int:
    return (size + 3) & ~3


def _ipv4(at: str) -> str | None:
    """Return the IPv4 address that an entry stands for; None for one of IPv6 only."""
    words = [struct.pack("=I", int(at[start : start + 8], 16)) for start in range(0, len(at), 8)]
    if len(words) == 4:
        if words[:3] not in ([bytes(4)] * 3, [bytes(4), bytes(4), b"\0\0\xff\xff"]) or words[3] == b"\0\0\0\1":
            return None
        words = words[3:]
    return socket.inet_ntoa(words[0])


def _lines(path: str) -> Iterable[str]:
    """Return the lines of a table without its head; none when it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as table:
            return table.readlines()[1:]
    except OSError:
        return ()


def _has_open(pid: int, links: Collection[str]) -> bool:
    try:
        with os.scandir(f"/proc/{pid}/fd") as descriptors:
            return any(_target(each.path) in links for each in descriptors)
    except OSError:
        return False  # gone, or not for our eyes


def _target(link: str) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""


def _describe(pid: int) -> Holder:
    name = _read(pid, "comm") or b"?"
    text = "".join(each if each.isprintable() else "?" for each in name.decode(errors="replace").rstrip("\n"))
    environment = _read(pid, "environ")
    if environment is None:
        return Holder(pid, text, None)
    pairs = (each.partition("=")[::2] for each in os.fsdecode(environment).split("\0") if "=" in each)
    return Holder(pid, text, dict(pairs))


def _read(pid: int, what: str) -> bytes | None:
    try:
        with open(f"/proc/{pid}/{what}", "rb") as file:
            return file.read()
    except OSError:
        return None
