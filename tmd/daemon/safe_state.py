"""Whether what outlives the daemon may be kept where it is to be: who can put a file there decides what is believed.

The journal names processes to signal, variables for hooks, files to write: in the hands of somebody else that is all
the power the daemon has.
"""

import os
from collections.abc import Callable

from tmd.config.settings import DaemonSettings
from tmd.posix.trust import real_path, unsafe_directory

_HINT = "let nobody else write there, or name another statedir"


def safe_statedir(daemon: DaemonSettings, warn: Callable[[str], None]) -> str:
    """Return the state directory, without links, or nothing, with a warning, where somebody else could swap its files.

    A daemon with the rights of its own user only is not asked: as everywhere, that user answers for its directories.
    """
    directory, uid = daemon.statedir, os.geteuid()
    if not directory or (uid != 0 and not daemon.keep_root_to_spawn):
        return directory
    try:
        why = unsafe_directory(directory, (uid,))
        if why is None:
            return real_path(directory)
    except OSError as error:
        why = error.strerror or str(error)
    warn(f"cannot keep anything in the statedir '{directory}': {why} (after a crash no program is adopted; {_HINT})")
    return ""
