"""The journal: what must be known of every process should the daemon be killed this moment. One JSON object a line.

Promises that what was flushed is there after a SIGKILL (not after a power cut: a machine that starts anew has none of
these processes); that a flush is one write and never raises, whatever the disk does; that a file which is torn,
foreign, of another start of the machine or somebody else's costs a warning at most; and that it is ours alone and
bounded: now and then it is replaced by one with nothing in it but what still counts. Does not know what becomes of the
processes, nor how the file is kept.
"""

import binascii
import errno
import os
import re
import stat
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from tmd.core.events import Event
from tmd.core.records import Entry, Run
from tmd.core.restoring import sound
from tmd.daemon.journal_file import JournalFile, in_use, spare_of
from tmd.posix.identity import boot_id
from tmd.posix.trust import open_real, real_path
from tmd.wire.names import ProcessId
from tmd.wire.visible import visible_line

VERSION = 1
MAX_BYTES = 256 << 20
"""what is longer was not written by us"""
TOKENS_AT_ONCE = 1000
"""so many tokens are given before the next ones are set apart in the file"""


class HeldEvent(msgspec.Struct, frozen=True):
    """An event that a pool has and that nobody has accepted yet. `serial`: its number in all pools."""

    pool: str
    serial: int
    event: Event
    poolserial: int = 0


class JournalFigures(NamedTuple):
    """Counters since the start of the daemon."""

    writes: int
    bytes: int
    failures: int
    """flushes that could not be written; what they had to say was tried again with the next"""


class _Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line; only one thing is in it. The first is the header: version, key, boot id, tokens."""

    journal: int = 0
    key: str = ""
    boot: str = ""
    tokens: int = 0
    """numbers up to here may have been given"""
    entry: Entry | None = None
    gone: ProcessId | None = None
    event: HeldEvent | None = None
    over: tuple[str, int] | None = None
    """pool and serial of an event that is settled"""
    serials: dict[str, int] = {}
    """numbers of events below these may have been given: of a pool, or in all (without a name)"""
    spared: str = ""
    """the token of a life that goes on and is no business of ours any more"""
    run: Run | None = None
    ran: str = ""
    """the token of a run that has ended"""


_Key = tuple[str | int, ...]


class _Foreign(Exception):
    """What is there is no journal of ours; the text says what it is."""


class Journal:
    """The file at a path; `warn` gets a line about trouble. Without a path nothing is kept.

    `key`: what names this daemon in all tokens it gives, over its restarts; empty: as `read`, or a new one. `number`:
    of the last token that was given.
    """

    def __init__(self, path: str, warn: Callable[[str], None], key: str = "", number: int = 0) -> None:
        self._path, self._warn = path, warn
        self.key = key or os.urandom(4).hex()
        self.number = self._set_apart = number
        self._boot = boot_id()
        self._encode = msgspec.json.Encoder().encode
        self._lines: dict[_Key, bytes] = {}
        """all that counts"""
        self._unwritten: dict[_Key, bytes] = {}
        self.events: dict[tuple[str, int], HeldEvent] = {}
        """by pool and serial, oldest first"""
        self.serials: dict[str, int] = {}
        """numbers of events that are set apart, by pool; without a name: in all"""
        self.spared: set[str] = set()
        """tokens of lives that were left alone"""
        self.runs: dict[str, Run] = {}
        """hooks that are under way, by token"""
        self.refused = False
        """there was one that could not be believed"""
        self.stray_key = ""
        """what the first line of the file that was read says to be the key, whatever else is to be said against it"""
        self._file = JournalFile(path)
        self._over = False
        self._trouble = ""
        self._writes = self._bytes = self._failures = 0

    @property
    def path(self) -> str:
        """Where it is; empty: nowhere."""
        return self._path

    @property
    def figures(self) -> JournalFigures:
        """Return the counters."""
        return JournalFigures(self._writes, self._bytes, self._failures)

    @property
    def behind(self) -> bool:
        """Whether something that was noted could not be written so far."""
        return bool(self._unwritten)

    @property
    def kept(self) -> bool:
        """Whether the next daemon would know what this one knows, were it killed now."""
        return bool(self._path) and not self._over and not self._trouble

    # --- what an earlier daemon left --------------------------------------------------------------------------

    def read(self) -> list[Entry]:
        """Return the last entry of each process, and take over key and events; nothing where there is no journal.

        What was read counts until it is noted anew or forgotten.
        """
        if not self._path:
            return []
        try:
            entries, strange = self._load()
        except FileNotFoundError:
            return []
        except _Foreign as why:
            self._set_aside(str(why))
            return []
        except OSError as why:
            self._warn(f"cannot read the journal '{self._path}': {why.strerror} (no program is adopted)")
            return []
        if strange:
            self._warn(f"cannot understand {strange} lines of the journal '{self._path}' (what they say is forgotten)")
        for entry in entries.values():
            self._lines["entry", *entry.id] = self._entry_line(entry)
        for held in self.events.values():
            self._lines["event", held.pool, held.serial] = self._event_line(held)
        for run in self.runs.values():
            self._lines["run", run.token] = self._encode(_Line(run=run)) + b"\n"
        for pool, below in self.serials.items():
            self._lines["serials", pool] = self._encode(_Line(serials={pool: below})) + b"\n"
        return list(entries.values())

    def peek(self) -> list[Entry]:
        """Return the entries of a journal that is nobody's now; nothing of one that a daemon keeps. Changes nothing."""
        with suppress(OSError, _Foreign):
            return list(self._load(idle=True)[0].values())
        return []

    def _load(self, *, idle: bool = False) -> tuple[dict[ProcessId, Entry], int]:
        """Take over all that is in the file; return the entries and how many lines made no sense. OSError, `_Foreign`.

        `idle`: only if no daemon has it.
        """
        entries: dict[ProcessId, Entry] = {}
        lines = self._read(idle=idle).split(b"\0", 1)[0].split(b"\n")
        self.stray_key = _key_in(lines[0])
        header = self._header(lines[0], whole=len(lines) > 1)
        if header is None:
            return {}, 0  # of another start of the machine
        self.key, self.number = header.key, header.tokens
        strange = sum(not self._learn(line, entries) for line in lines[1:-1])  # the last one is empty, or torn
        self._set_apart = self.number
        return entries, strange

    def _read(self, *, idle: bool) -> bytes:
        """Return the file if it can only be ours; OSError, `_Foreign`."""
        directory, name = os.path.split(self._path)
        try:
            fd = open_real(f"{real_path(directory)}/{name}", os.O_RDONLY | os.O_NONBLOCK)
        except OSError as why:
            if why.errno in (errno.ELOOP, errno.ENXIO):
                raise _Foreign("a link or no file") from why
            raise
        try:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                raise _Foreign("no file")
            if found.st_uid != os.geteuid() or found.st_mode & 0o7177:
                raise _Foreign("somebody else's, or others may read or write it")
            if found.st_nlink > 1 and not self._is_changing(found):
                raise _Foreign("known by another name, too")
            if found.st_size > MAX_BYTES:
                raise _Foreign("longer than any journal")
            if idle and in_use(fd):
                return b""
            with open(fd, "rb", closefd=False) as file:
                return file.read(MAX_BYTES)
        finally:
            os.close(fd)

    def _is_changing(self, found: os.stat_result) -> bool:
        """Tell whether the other name of the file is one that we give, for a moment."""
        try:
            return found.st_nlink == 2 and os.path.samestat(found, os.lstat(spare_of(self._path)[1]))
        except OSError:
            return False

    def _header(self, line: bytes, *, whole: bool) -> _Line | None:
        """Return the header, None of a journal that is void; `_Foreign`."""
        try:
            header = _decode(line)
        except (ValueError, RecursionError):  # what is no JSON, no UTF-8, or no line of ours
            header = _Line()
        if not whole or header.journal != VERSION or not header.key or header.tokens < 0:
            raise _Foreign("torn, or of another version or program")
        return header if header.boot == self._boot else None

    def _learn(self, line: bytes, entries: dict[ProcessId, Entry]) -> bool:
        """Take in one line; returns whether it makes sense."""
        try:
            said = _decode(line)
        except (ValueError, RecursionError):  # what is no JSON, no UTF-8, or no line of ours
            return False
        if said.entry is not None:
            if not _is_sound(said.entry):
                return False
            entries[said.entry.id] = said.entry
        elif said.gone is not None:
            entries.pop(said.gone, None)
        elif said.event is not None:
            self.events[said.event.pool, said.event.serial] = said.event
        elif said.over is not None:
            self.events.pop(said.over, None)
        elif said.serials:
            self.serials |= said.serials
        elif said.run is not None:
            self.runs[said.run.token] = said.run
        elif said.ran:
            self.runs.pop(said.ran, None)
        elif said.spared:
            self.spare(said.spared)
        else:
            self.number = max(self.number, said.tokens)
        return True

    def _set_aside(self, what: str) -> None:
        self.refused = True
        aside = f"{self._path}.aside"
        refused = f"cannot use the journal '{self._path}': it is {what} (no program is adopted)"
        try:
            os.rename(self._path, aside)
        except OSError as why:
            self._warn(f"{refused}, and it cannot be moved out of the way: {why.strerror}")
        else:
            self._warn(f"{refused}; moved to '{aside}'")

    # --- what this one has to tell ----------------------------------------------------------------------------

    def next_token(self) -> str:
        """Return what marks the next life; the same is never given twice under one key."""
        self.number += 1
        if self.number > self._set_apart:
            self._set_apart = self.number + TOKENS_AT_ONCE
            self._unwritten["tokens",] = self._encode(_Line(tokens=self._set_apart)) + b"\n"
            self.flush()
        return f"{self.key}.{self.number}"

    def note(self, entry: Entry) -> None:
        """Have an entry written with the next flush; of a process the last one counts."""
        self._note(("entry", *entry.id), self._entry_line(entry))

    def forget(self, id_: ProcessId) -> None:
        """Have it known with the next flush that there is no such process."""
        self._forget(("entry", *id_), _Line(gone=id_))

    def known(self) -> list[ProcessId]:
        """Return the processes that there are entries of."""
        return [ProcessId(str(key[1]), str(key[2])) for key in self._lines if key[0] == "entry"]

    def note_event(self, pool: str, serial: int, event: Event, poolserial: int = 0) -> None:
        """Have it known with the next flush that a pool has an event."""
        held = HeldEvent(pool, serial, event, poolserial)
        self.events[pool, serial] = held
        self._note(("event", pool, serial), self._event_line(held))

    def set_serials_apart(self, pool: str, below: int) -> None:
        """Have it known with the next flush that numbers below this may be given to events; no name: in all pools."""
        self.serials[pool] = below
        self._note(("serials", pool), self._encode(_Line(serials={pool: below})) + b"\n")

    def forget_event(self, pool: str, serial: int) -> None:
        """Have it known with the next flush that an event is settled."""
        self.events.pop((pool, serial), None)
        self._forget(("event", pool, serial), _Line(over=(pool, serial)))

    def note_run(self, run: Run) -> None:
        """Have it known that a hook is under way."""
        self.runs[run.token] = run
        self._note(("run", run.token), self._encode(_Line(run=run)) + b"\n")
        self.flush()

    def forget_run(self, token: str) -> None:
        """Have it known that a hook has ended."""
        self.runs.pop(token, None)
        self._forget(("run", token), _Line(ran=token))
        self.flush()

    def spare(self, token: str) -> None:
        """Have it known with the next flush that a life was left alone, and is to be."""
        self.spared.add(token)
        self._note(("spared", token), self._encode(_Line(spared=token)) + b"\n")

    def spare_no_more(self, token: str) -> None:
        """Have it known with the next file that nothing is left of a life that was left alone."""
        self.spared.discard(token)
        self._lines.pop(("spared", token), None)
        self._unwritten.pop(("spared", token), None)

    def _note(self, key: _Key, line: bytes) -> None:
        if self._lines.get(key) != line:
            self._lines[key] = self._unwritten[key] = line

    def _forget(self, key: _Key, line: _Line) -> None:
        if self._lines.pop(key, None) is not None:
            self._unwritten[key] = self._encode(line) + b"\n"

    def _entry_line(self, entry: Entry) -> bytes:
        try:
            return self._encode(_Line(entry=entry)) + b"\n"
        except UnicodeEncodeError:  # the words of an error may hold anything
            process = replace(entry.process, spawnerr=visible_line(entry.process.spawnerr))
            return self._encode(_Line(entry=replace(entry, process=process))) + b"\n"

    def _event_line(self, held: HeldEvent) -> bytes:
        try:
            return self._encode(_Line(event=held)) + b"\n"
        except UnicodeEncodeError:
            payload = held.event.payload.encode(errors="replace").decode()  # as listeners get it
            return self._encode(_Line(event=replace(held, event=replace(held.event, payload=payload)))) + b"\n"

    # --- the file ---------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Write what was noted since the last time. Trouble is told once, counted, and tried again the next time."""
        if not self._unwritten:
            return
        if not self._path or self._over:
            self._unwritten.clear()
            return
        self._write(b"".join(self._unwritten.values()))

    def look(self) -> bool:
        """See that the file is where it was, made again with its directory where it is not; tell whether that was so.

        Trouble is treated as that of `flush`.
        """
        if self._over or not (self._file.gone or (self._unwritten and self._trouble)):
            return False
        was_gone = self._file.gone
        self._write(None)
        return was_gone and not self._trouble

    def _write(self, added: bytes | None) -> None:
        """Write what is new, or None: all, in a directory that may be missing; never raises."""
        data = added or b""
        try:
            if added is None:
                self._file.make_directory()
            if added is None or not self._file.add(data):
                data = b"".join((self._header_line(), *self._lines.values()))
                self._file.replace(data)
        except OSError as why:
            self._failures += 1
            trouble = why.strerror or str(why)
            if trouble != self._trouble:
                self._trouble = trouble
                cost = "what changes is not known to the next tmd should this one be killed; it goes on trying"
                self._warn(f"cannot write the journal '{self._path}': {trouble} ({cost})")
            return
        self._writes += 1
        self._bytes += len(data)
        self._unwritten.clear()
        if self._trouble:
            self._trouble = ""
            self._warn(f"the journal '{self._path}' can be written again, and is complete")

    def _header_line(self) -> bytes:
        return self._encode(_Line(journal=VERSION, key=self.key, boot=self._boot, tokens=self._set_apart)) + b"\n"

    def end(self) -> None:
        """The daemon has ended in order, with all its programs: nothing is left to be known."""
        self._over = True
        if self._path:
            self._file.remove()

    def close(self) -> None:
        """Give back the descriptors; what was flushed stays."""
        self._file.close()


def path_of(statedir: str, identifier: str, pidfile: str) -> str:
    """Return where the journal of this daemon is, empty without a directory: daemons differ in their pid files."""
    if not statedir:
        return ""
    return f"{statedir}/tmd-{identifier.replace('/', '_')}-{binascii.crc32(os.fsencode(pidfile)):08x}.journal"


def _key_in(line: bytes) -> str:
    found = _KEY.search(line)
    return "" if found is None else found[1].decode()


_KEY = re.compile(rb'"key":"([0-9a-f]{8})"')
_decode = msgspec.json.Decoder(_Line).decode


def _is_sound(entry: Entry) -> bool:
    life, process = entry.life, entry.process
    if life is not None and (not life.token or life.pid == 1 or life.pid < 0):
        return False
    return sound(process) and (not process.pid or (life is not None and life.pid == process.pid))
