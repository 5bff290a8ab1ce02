"""For a daemon that is the superuser: are its files where nobody else could plant or swap one?

Whoever may write in the directory of a log can have root write, rename and remove files for him; whoever may replace
the configuration can have root run anything. What makes a place unsafe is for the host to say; here is known which
places there are, and whose.
"""

from collections.abc import Sequence

from tmd.config.host import Host
from tmd.config.reader import Setup
from tmd.config.settings import AUTO, DaemonSettings
from tmd.tree.problems import Problem

_HINT = "let nobody else write there, or name another directory"


def check_log_directories(daemon: DaemonSettings, setup: Setup) -> None:
    """Note each directory that is not safe to log in, once: a problem, in Supervisor's dialect a warning."""
    if setup.host.uid != 0:
        return
    asked: set[tuple[str, tuple[int, ...]]] = set()
    for (noted, uid), noted_at in setup.findings.log_places.items():
        generated = noted == AUTO
        directory = daemon.childlogdir if generated else noted
        place = setup.findings.auto_place or noted_at if generated else noted_at
        trusted = tuple(sorted({each for each in (daemon.uid, uid) if each}))
        if (directory, trusted) in asked:
            continue
        asked.add((directory, trusted))
        why = setup.host.unsafe_directory(directory, trusted)
        if why is None:
            continue
        reason = f"cannot keep a log in {directory!r}: {why}"
        if setup.native:
            setup.findings.problem(*place, reason, _HINT)
        else:
            setup.findings.warn(str(Problem(*place, reason, _HINT)))


def unsafe_files(files: Sequence[str], host: Host) -> list[str]:
    """Return a warning for each configuration file that somebody else could replace, one for each reason.

    A warning only: a checkout that is mounted into a container belongs to its owner outside. Whoever used sudo may do
    all that root may.
    """
    if host.uid != 0:
        return []
    sudo = host.environ.get("SUDO_UID", "")
    trusted = (int(sudo),) if sudo.isdecimal() else ()
    reasons: dict[str, str] = {}
    for file in files:
        why = host.unsafe_directory(file if file.startswith("/") else f"{host.cwd}/{file}", trusted)
        if why is not None:
            reasons.setdefault(why, file)
    return [f"{file}: somebody else could have root run anything: {why}" for why, file in reasons.items()]
