"""Forking: a new process that runs another program, in as few steps as the standard library allows.

Promises what `subprocess.Popen` promises of its child (vfork, not one line of Python between fork and exec, no
descriptor but 0, 1 and 2, no signal blocked), and the same errors when it cannot be; and that nobody but whoever reaps
all children waits for it. It asks for the same function of the interpreter as `Popen` does, for what that does around
it costs as much time as fork and exec together. Interpreters whose function is not known here get `Popen` itself.
"""

import _posixsubprocess
import builtins
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

_fork_exec: Callable[..., int] = _posixsubprocess.fork_exec
_KNOWN = (3, 11) <= sys.version_info < (3, 14)
_ERROR_BYTES = 50_000
_NEVER_EXECUTED = "noexec"
_NOT_ENTERED = "noexec:chdir" if sys.version_info >= (3, 13) else _NEVER_EXECUTED


def fork(
    argv: Sequence[str],
    executable: str,
    environment: Mapping[str, str],
    *,
    stdin: int,
    stdout: int,
    stderr: int,
    directory: str | None = None,
    umask: int = -1,
    uid: int | None = None,
    gid: int | None = None,
    groups: list[int] | None = None,
    restore_signals: bool = True,
    session: bool = False,
) -> int:
    """Start a program and return its pid; what is None, or -1, stays as it is with us.

    `executable` has a slash in it, and counts from `directory`. `session`: it leads a new one, else a process group.
    Raises OSError as `Popen` does, with what could not be executed or entered as its `filename`; ValueError or
    OverflowError for what no process can be given.
    """
    if not _KNOWN:
        import subprocess  # noqa: PLC0415 - with `locale` it weighs 0.3 MB

        child = subprocess.Popen(
            argv,
            executable=executable,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd=directory,
            env=environment,
            umask=umask,
            restore_signals=restore_signals,
            process_group=None if session else 0,
            start_new_session=session,
            user=uid,
            group=gid,
            extra_groups=groups,
        )
        child.returncode = 0  # dropped while it thinks its child alive, it would wait for it, and take it from the loop
        return child.pid
    if any("=" in name for name in environment):
        raise ValueError("illegal environment variable name")
    encoding, errors = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()
    words = [f"{name}={value}".encode(encoding, errors) for name, value in environment.items()]
    sys.audit("subprocess.Popen", executable, argv, directory, environment)
    said, say = os.pipe2(os.O_CLOEXEC)
    try:
        try:
            paths = (executable.encode(encoding, errors),)
            ends = (stdin, -1, -1, stdout, -1, stderr, said, say)
            group = -1 if session else 0
            become = (gid, groups, uid, umask)
            pid = _fork_exec(
                argv, paths, True, (say,), directory, words, *ends, restore_signals, session, group, *become, None, True
            )
        finally:
            os.close(say)
        failure = os.read(said, _ERROR_BYTES)
        while failure and (more := os.read(said, _ERROR_BYTES)):
            failure += more
    finally:
        os.close(said)
    if failure:
        _fail(pid, failure, executable, directory)
    return pid


def _fail(pid: int, failure: bytes, executable: str, directory: str | None) -> NoReturn:
    """Raise what a child has said before it ended: `KIND:ERRNO in hex:TEXT`."""
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        pass  # somebody ignores SIGCHLD
    kind, number, text = failure.decode().split(":", 2)
    code = int(number or "0", 16)
    if not code:
        import subprocess  # noqa: PLC0415

        raise getattr(builtins, kind, subprocess.SubprocessError)(text)
    place: str | None = executable
    if text.startswith(_NEVER_EXECUTED):
        place = directory if text == _NOT_ENTERED else None
    raise OSError(code, os.strerror(code), place)
