"""`tmd-pidproxy PIDFILE COMMAND [ARG...]`: runs a command and passes signals on to the process in its pid file.

For programs whose daemon is not the process they were started as. Promises that a signal reaches the pid that the
file names at that moment, and that the end of the command is noticed at once. Knows nothing of the daemon.
"""

import os
import shutil
import signal
import sys
from collections.abc import Iterable, Sequence

PASSED_ON = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGQUIT)
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
"""Signals after which the proxy ends, whatever the process makes of them."""
CANNOT_RUN = 127

USAGE = """\
usage: tmd-pidproxy PIDFILE COMMAND [ARG...]

Runs COMMAND and waits for its end. TERM, HUP, INT, USR1, USR2 and QUIT go to the process whose pid is in PIDFILE,
which is read anew each time; after TERM, INT and QUIT it ends. For programs that put their daemon in the background
of a command that stays, as mysqld_safe does. Exit codes: 0 the command ended or a signal ended us, 1 wrong words,
127 the command cannot be run.

example:
  [program:mysql]
  command=tmd-pidproxy /run/mysqld/mysqld.pid mysqld_safe
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the proxy; returns its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if len(words) < 2:
        sys.stdout.write(USAGE)
        return 0 if words and words[0] in ("-h", "-?", "--help") else 1
    pidfile, command = words[0], words[1:]
    # Blocked from here on and taken one by one by sigwait: none is lost between two steps, nor is the child's end.
    heard = {*PASSED_ON, signal.SIGCHLD}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, heard)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        child = _spawn(command, before)
    except OSError as why:
        sys.stderr.write(f"cannot run '{command[0]}': {(os.strerror(why.errno or 0)).lower()}\n")
        return CANNOT_RUN
    while True:
        signum = signal.Signals(signal.sigwait(heard))
        if signum == signal.SIGCHLD:
            if os.waitpid(child, os.WNOHANG)[0] == child:
                return 0
        elif _pass_on(signum, pidfile) and signum in ENDING:
            return 0


def _spawn(command: list[str], mask: Iterable[int]) -> int:
    """Start the command with the signals as we got them; returns its pid."""
    return os.posix_spawn(
        _program(command[0]), command, os.environ, setsigmask=mask, setsigdef=[signal.SIGPIPE, signal.SIGXFSZ]
    )


def _program(word: str) -> str:
    """Return the path of a program: as it is with a slash, else from PATH, else in the current directory."""
    if "/" in word:
        return word
    return shutil.which(word) or os.path.join(os.curdir, word)


def _pass_on(signum: signal.Signals, pidfile: str) -> bool:
    """Send a signal to the process in the pid file; False when the file does not tell which."""
    try:
        with open(pidfile, encoding="ascii") as file:
            pid = int(file.read())
        if pid <= 0:  # would be a whole group, or everybody
            raise ValueError(pid)
    except (OSError, ValueError):
        _say(f"Can't read child pidfile {pidfile}!")
        return False
    try:
        os.kill(pid, signum)
    except (OSError, OverflowError) as why:
        reason = os.strerror(why.errno).lower() if isinstance(why, OSError) and why.errno else "no such process"
        _say(f"cannot send {signum.name} to {pid}, from {pidfile}: {reason}")
    return True


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
