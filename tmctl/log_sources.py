"""Which logs are meant: names of processes and groups, with wildcards, into the files of a server's processes.

Pure: processes as the server tells them in, logs out.
"""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple
from urllib.parse import quote

from tmctl.log_lines import Entry
from tmctl.log_options import Streams
from tmctl.render import Info, info_name

Stream = Literal["stdout", "stderr"]


class Source(NamedTuple):
    """One log."""

    name: str
    """the process as people type it"""
    stream: Stream
    path: str
    """the file, as the server names it"""
    processes: tuple[str, ...]
    """all that were meant and log to this file"""
    shared: bool = False
    """others that were not meant log there, too"""
    mixed: bool = False
    """both streams are in it"""

    @property
    def url_path(self) -> str:
        """Where it is followed."""
        return f"/logtail/{quote(self.name, safe=':')}/{self.stream}"

    def process_of(self, entry: Entry) -> str:
        """Return whose line this is."""
        return entry.process if entry.process in self.processes else self.name

    def stream_of(self, entry: Entry) -> str:
        """Return which stream a line came from."""
        return entry.stream or self.stream

    def holds(self, entry: Entry, streams: Streams) -> bool:
        """Whether a line of this file is of a process and a stream that were meant."""
        if self.mixed and streams != "both" and entry.stream and entry.stream != streams:
            return False
        return not (self.shared and entry.process) or entry.process in self.processes


def chosen(infos: Sequence[Info], names: Iterable[str]) -> tuple[list[Info], list[str]]:
    """Return the processes that names mean (all without names), in the server's order, and the names that mean none."""
    wanted = list(dict.fromkeys(names))
    if not wanted:
        return list(infos), []
    unknown = [name for name in wanted if not any(_means(name, info) for info in infos)]
    return [info for info in infos if any(_means(name, info) for name in wanted)], unknown


def _means(name: str, info: Info) -> bool:
    full = f"{info['group']}:{info['name']}"
    if name in (info_name(info), full, info["group"]):
        return True
    if not any(sign in name for sign in "*?["):
        return False
    return fnmatchcase(info_name(info), name) or fnmatchcase(full, name)


def sources_of(infos: Sequence[Info], everybody: Sequence[Info], streams: Streams) -> list[Source]:
    """Return the logs of processes, each file once."""
    writers: dict[str, set[tuple[str, str]]] = {}
    for info in everybody:
        for stream in _STREAMS:
            if path := info.get(f"{stream}_logfile"):
                writers.setdefault(path, set()).add((info_name(info), stream))
    meant = {info_name(info) for info in infos}
    found: dict[str, Source] = {}
    for info in infos:
        for stream in _STREAMS:
            path = info.get(f"{stream}_logfile")
            if not path or path in found or streams not in ("both", stream):
                continue
            processes = {name for name, _ in writers[path]}
            found[path] = Source(
                info_name(info),
                stream,
                path,
                tuple(sorted(processes & meant)),
                not processes <= meant,
                len({which for _, which in writers[path]}) > 1,
            )
    return list(found.values())


_STREAMS: tuple[Stream, Stream] = ("stdout", "stderr")
