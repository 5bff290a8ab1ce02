"""The one reader of configuration files: limits, kinds of file, permissions, includes.

A file is read once, whole, into memory and only then looked at. Refused by name: what is not a regular file, what is
over 10 MB (INI: 64 MB), what is not text, and, for the superuser, what others may write (Supervisor's dialect only
warns there).
"""

import errno
import os
import stat
from collections.abc import Callable
from glob import glob
from typing import NamedTuple

from tmd.tree.node import Mapping, Origin, Scalar, Sequence, describe
from tmd.tree.problems import ConfigRefused, Problem
from tmd.tree.shape import (
    FOREIGN_SECTIONS,
    PROCESS_SECTIONS,
    SERVER_SECTIONS,
    merge_sections,
    merge_shapes,
    shape_ini,
    shape_nested,
)

MAX_FILE_BYTES = 10 * 1024 * 1024
MAX_INI_BYTES = 64 * 1024 * 1024
"""a hundred thousand programs fit; what is read from it takes a few times its size, of YAML a hundred times"""
MAX_TOTAL_BYTES = 64 * 1024 * 1024
MAX_FILES = 10_000
_FORMATS = {
    ".ini": "ini",
    ".conf": "ini",
    ".cfg": "ini",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".json": "yaml",
    ".toml": "toml",
}

Expand = Callable[[str, str, bool], str]
"""(text, directory of the file, whether native) -> text with its %(names)s filled in; raises ValueError."""


class Tree(NamedTuple):
    """One configuration, includes merged in."""

    path: str
    native: bool
    """False: Supervisor's dialect"""
    root: Mapping
    """Supervisor's dialect: section -> options. Native: the parts that `shape` names"""
    files: tuple[str, ...]
    """every file read, the main one first"""
    directories: dict[str, str]
    """file as named in origins -> its absolute directory (`%(here)s`)"""
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """for the log, at info"""
    problems: tuple[Problem, ...] = ()
    """what does not fit the native shape: such a tree cannot be used, but more may be found wrong with it"""


class _Text(NamedTuple):
    text: str
    mode: int
    group: int
    size: int


class _Parsed(NamedTuple):
    path: str
    format: str
    root: Mapping
    mode: int
    group: int
    size: int

    @property
    def is_supervisor(self) -> bool:
        return self.format == "ini" and "supervisord" in self.root.entries


def read_tree(path: str, *, uid: int, expand: Expand) -> Tree:
    """Read a configuration file and what it includes; raises ConfigRefused with every problem of every file."""
    return _Reading(path, uid, expand).tree()


def read_sections(path: str) -> Mapping:
    """Read one file alone, whatever its format, for who wants a section of its own; programs may be missing."""
    return _parse(path, None, programs=False).root


def _refused(reason: str, path: str, hint: str = "") -> ConfigRefused:
    return ConfigRefused([Problem(Origin(path), "", reason, hint)], supervisor_text=reason)


def _read_text(path: str) -> _Text:
    try:
        # O_NONBLOCK: opening a FIFO nobody writes to would wait for ever
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except (FileNotFoundError, NotADirectoryError):
        raise _refused(f"could not find config file {path}", path) from None
    except (OSError, ValueError) as error:
        why = os.strerror(error.errno).lower() if isinstance(error, OSError) and error.errno else "not a file name"
        raise _refused(f"could not read config file {path}", path, why) from None
    try:
        status = os.fstat(fd)
        unreadable = _kind_refused(status.st_mode)
        if unreadable:
            raise _refused(f"could not read config file {path}", path, unreadable)
        chunks: list[bytes] = []
        size = 0
        while size <= MAX_INI_BYTES and (chunk := os.read(fd, 1024 * 1024)):
            chunks.append(chunk)
            size += len(chunk)
    except OSError as error:
        why = os.strerror(error.errno or errno.EIO).lower()
        raise _refused(f"could not read config file {path}", path, why) from None
    finally:
        os.close(fd)
    if size > MAX_INI_BYTES:
        raise _too_large(path, MAX_INI_BYTES)
    return _Text(_decoded(path, b"".join(chunks)), stat.S_IMODE(status.st_mode), status.st_gid, size)


def _too_large(path: str, limit: int) -> ConfigRefused:
    hint = f"it is too large: the limit is {limit // 1024 // 1024} MB"
    return _refused(f"could not read config file {path}", path, hint)


def _kind_refused(mode: int) -> str:
    if stat.S_ISREG(mode):
        return ""
    if stat.S_ISDIR(mode):
        return "it is a directory"
    if stat.S_ISFIFO(mode):
        return "it is a FIFO, not a regular file"
    return "it is a device or a socket, not a regular file"


def _decoded(path: str, data: bytes) -> str:
    hint = "a configuration is plain text in UTF-8"
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line_start = data.rfind(b"\n", 0, error.start) + 1
        origin = Origin(path, data.count(b"\n", 0, error.start) + 1, error.start - line_start + 1)
        problem = Problem(origin, "", f"not text: byte 0x{data[error.start]:02x}", hint)
        raise ConfigRefused([problem], supervisor_text=str(error)) from None
    if "\0" in text:
        at = text.index("\0")
        origin = Origin(path, text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at))
        raise ConfigRefused([Problem(origin, "", "not text: a NUL character", hint)])
    return text


def _format(path: str, text: str) -> str:
    """Return the format of a file by its ending, else by its first line that is not a comment."""
    known = _FORMATS.get(os.path.splitext(path)[1].lower())
    if known:
        return known
    lines = (line.strip() for line in text.lstrip("\ufeff").splitlines())
    first = next((line for line in lines if line and line[0] not in "#;"), "")
    if first.startswith(("{", "---", "%YAML")):
        return "yaml"
    key, colon, rest = first.partition(":")
    if colon and not first.startswith("[") and "=" not in key and (not rest or rest[0] == " "):
        return "yaml"
    return "ini"


def _parse(path: str, format_wanted: str | None, *, programs: bool = True) -> _Parsed:
    read = _read_text(path)
    text = read.text
    kind = format_wanted or _format(path, text)
    if kind != "ini" and read.size > MAX_FILE_BYTES:
        raise _too_large(path, MAX_FILE_BYTES)
    # a parser is imported only when somebody's file needs it
    if kind == "yaml":
        from tmd.tree.yaml import parse_yaml  # noqa: PLC0415

        root = parse_yaml(text.removeprefix("\ufeff"), path)
    elif kind == "toml":
        from tmd.tree.toml import parse_toml  # noqa: PLC0415

        root = parse_toml(text.removeprefix("\ufeff"), path)
    else:
        from tmd.tree.ini import parse_ini, without_plain_programs  # noqa: PLC0415

        root = parse_ini(text if programs else without_plain_programs(text), path)
    return _Parsed(path, kind, root, read.mode, read.group, read.size)


_LONE_SECTIONS = tuple(kind for kind in PROCESS_SECTIONS if kind != "group")


def _says_native(parsed: _Parsed) -> bool:
    """Whether a file is in our own dialect: by its format, by its main section, or by having nothing but programs."""
    if parsed.format != "ini" or "taskmaster" in parsed.root.entries:
        return True
    headers = [header.partition(":") for header in parsed.root.entries]
    if any(kind in FOREIGN_SECTIONS and colon for kind, colon, _ in headers):
        return False
    others = ("include", "DEFAULT", "ctl", "supervisorctl", *SERVER_SECTIONS)
    return any(kind in _LONE_SECTIONS if colon else kind not in others for kind, colon, _ in headers)


def _same_file(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


class _Pattern(NamedTuple):
    text: str
    origin: Origin


class _Reading:
    """One configuration while it is being read."""

    def __init__(self, path: str, uid: int, expand: Expand) -> None:
        self._path = path
        self._uid = uid
        self._expand = expand
        self._base = os.path.dirname(os.path.abspath(path))
        self._problems: list[Problem] = []
        self._supervisor_text = ""
        self._warnings: list[str] = []
        self._notes: list[str] = []
        self._parsed: list[_Parsed] = []

    def tree(self) -> Tree:
        main = _parse(self._path, None)
        self._parsed.append(main)
        ini_only = main.is_supervisor
        for pattern in self._patterns(main):
            self._include(pattern, ini_only=ini_only)
        native = not any(each.is_supervisor for each in self._parsed)
        if native and not any(_says_native(each) for each in self._parsed):
            hint = "begin a [taskmaster] or a [supervisord] section"
            self._problem(Origin(self._path), "", ".ini file does not include supervisord section", hint)
        self._check_writers(native)
        shape_problems: list[Problem] = []
        root = self._merged_shapes(shape_problems) if native else self._merged_sections()
        if self._problems:
            self._problems += shape_problems
            raise ConfigRefused(
                self._problems,
                supervisor_text=self._supervisor_text or ("" if main.format != "ini" else self._problems[0].reason),
                files=[each.path for each in self._parsed],
            )
        return Tree(
            self._path,
            native,
            root,
            tuple(dict.fromkeys(each.path for each in self._parsed)),
            {each.path: os.path.dirname(os.path.abspath(each.path)) for each in self._parsed},
            tuple(self._warnings),
            tuple(self._notes),
            tuple(shape_problems),
        )

    def _problem(self, origin: Origin, where: str, reason: str, hint: str = "") -> None:
        self._problems.append(Problem(origin, where, reason, hint))

    def _patterns(self, main: _Parsed) -> list[_Pattern]:
        if main.format == "ini" and "include" in main.root.entries:
            entry = main.root.entries["include"]
            assert isinstance(entry.value, Mapping)
            files = entry.value.entries.get("files")
            if files is None:
                self._problem(entry.origin, "", ".ini file has [include] section, but no files setting")
                return []
            for key, other in entry.value.entries.items():
                if key != "files":
                    self._unknown_include_key(main, key, other.origin)
            nodes = [files.value]
        else:
            settings = main.root.entries.get("taskmaster")
            if settings is None or not isinstance(settings.value, Mapping):
                return []
            include = settings.value.entries.get("include")
            if include is None:
                return []
            nodes = list(include.value.items) if isinstance(include.value, Sequence) else [include.value]
        patterns: list[_Pattern] = []
        for node in nodes:
            if not isinstance(node, Scalar):
                self._problem(node.origin, "taskmaster.include", f"must be a file name, got {describe(node)}")
                continue
            try:
                text = self._expand(node.text, self._base, not main.is_supervisor)
            except ValueError as error:
                self._problem(node.origin, "include.files", str(error))
                continue
            patterns += [_Pattern(each, node.origin) for each in text.split()]
        return patterns

    def _unknown_include_key(self, main: _Parsed, key: str, origin: Origin) -> None:
        problem = Problem(origin, f"include.{key}", "unknown option", "known: files")
        if main.is_supervisor:
            self._warnings.append(str(problem))
        else:
            self._problems.append(problem)

    def _include(self, pattern: _Pattern, *, ini_only: bool) -> None:
        wanted = os.path.join(self._base, pattern.text)
        names = sorted(glob(wanted))
        if not names:
            self._warnings.append(f'No file matches via include "{wanted}"')
        for name in names:
            if not ini_only and any(_same_file(name, each.path) for each in self._parsed):
                continue
            total = sum(each.size for each in self._parsed)
            if len(self._parsed) > MAX_FILES or total > MAX_TOTAL_BYTES:
                limits = f"at most {MAX_FILES} files and {MAX_TOTAL_BYTES // 1024 // 1024} MB"
                self._problem(pattern.origin, "include", f"cannot include {name}: too much to read", limits)
                return
            self._include_file(name, pattern, ini_only=ini_only)

    def _include_file(self, name: str, pattern: _Pattern, *, ini_only: bool) -> None:
        try:
            parsed = _parse(name, "ini" if ini_only else None)
        except ConfigRefused as refused:
            first = refused.problems[0]
            if ini_only and first.reason.startswith(("could not read", "could not find")):
                # supervisord leaves it out without a word
                self._warnings.append(f"{first}: left out")
                return
            self._supervisor_text = self._supervisor_text or refused.supervisor_text
            self._problems += refused.problems
            return
        self._notes.append(f'Included extra file "{name}" during parsing')
        if "include" in parsed.root.entries and parsed.format == "ini":
            origin = parsed.root.entries.pop("include").origin
            problem = Problem(origin, "[include]", "an included file's own includes are not followed")
            if ini_only:
                self._warnings.append(str(problem))
            else:
                self._problems.append(problem)
        self._parsed.append(parsed)

    def _check_writers(self, native: bool) -> None:
        if self._uid != 0:
            return
        for parsed in {each.path: each for each in self._parsed}.values():
            by_group = parsed.mode & stat.S_IWGRP and parsed.group != 0
            if not by_group and not parsed.mode & stat.S_IWOTH:
                continue
            who = "everybody" if parsed.mode & stat.S_IWOTH else "its group"
            problem = Problem(
                Origin(parsed.path),
                "",
                f"{who} may write this file (mode {parsed.mode:04o}), and could so run anything as root",
                "chmod go-w it",
            )
            if native:
                self._problems.append(problem)
            else:
                self._warnings.append(str(problem))

    def _merged_sections(self) -> Mapping:
        root = self._parsed[0].root
        for parsed in self._parsed[1:]:
            merge_sections(root, parsed.root)
        return root

    def _merged_shapes(self, problems: list[Problem]) -> Mapping:
        shapes = [
            shape_ini(parsed.root, problems) if parsed.format == "ini" else shape_nested(parsed.root, problems)
            for parsed in self._parsed
        ]
        for shape in shapes[1:]:
            merge_shapes(shapes[0], shape, problems)
        return shapes[0]
