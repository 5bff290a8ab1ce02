"""Daemons of another user than ours: nobody, with an interpreter that everybody may run."""

import os
import pwd
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence

import pytest

from tests.e2e.harness import ROOT, Rig

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can start programs as others")
NOBODY = pwd.getpwnam("nobody")


def through(rig: Rig, *words: str, python: Sequence[str] = (sys.executable,)) -> None:
    """Have the daemon started by these words, and by that interpreter."""
    command = rig.command
    rig.command = lambda *arguments: [*words, *python, *command(*arguments)[1:]]  # type: ignore[method-assign]


def as_nobody(*capabilities: str) -> list[str]:
    """Return the words that start a command as nobody, with ambient capabilities, as a service manager does."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("setpriv is not there (Debian has it in util-linux)")
    caps = [
        f"--{kind}-caps={','.join(['-all', *(f'+{each}' for each in capabilities)])}" for kind in ("inh", "ambient")
    ]
    return [setpriv, f"--reuid={NOBODY.pw_uid}", f"--regid={NOBODY.pw_gid}", "--init-groups", *caps]


def words_for_all() -> list[str]:
    """Return the words that start an interpreter anybody can run, with what the daemon needs."""
    libraries = os.pathsep.join((str(ROOT), sysconfig.get_path("purelib")))
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in filter(None, (sys.executable, shutil.which(version, path="/usr/local/bin:/usr/bin"))):
        words = ["env", f"PYTHONPATH={libraries}", python]
        probe = [*as_nobody(), *words, "-c", "import tmd.cli, tmd.config.daemon, yaml, configobj, msgspec"]
        tried = subprocess.run(probe, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, check=False)
        if tried.returncode == 0:
            return words
    pytest.skip("no interpreter here can be run by everybody")
