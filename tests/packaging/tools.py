"""The programs of other people that judge what we ship: those of this machine, or Debian's, unpacked."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tests.fetching import debian

ROOT = Path(__file__).resolve().parents[2]


class Tool(NamedTuple):
    """A program that can be run. `environment`: what it needs beside the usual."""

    path: str
    environment: Mapping[str, str]
    root: Path | None
    """where it was unpacked, None for one of this machine"""

    def run(
        self, *words: str | Path, cwd: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return subprocess.run(
            [self.path, *map(str, words)],
            cwd=cwd,
            env={**os.environ, **(environment or {}), **self.environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


def tool(name: str, packages: Sequence[str], program: str) -> Tool:
    """Return the program `name`; `program` is where the Debian packages have it, from the top."""
    here = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if here is not None:
        return Tool(here, {}, None)
    root = debian(name, packages, program)
    libraries = sorted({str(found.parent) for found in root.rglob("*.so*") if re.search(r"\.so(\.|$)", found.name)})
    return Tool(str(root / program), {"LD_LIBRARY_PATH": ":".join(libraries)} if libraries else {}, root)


def bash() -> Tool:
    """Return bash."""
    return tool("bash", ("bash",), "bin/bash")


def zsh() -> Tool:
    """Return zsh; an unpacked one is static, and its functions are in `usr/share/zsh` below its root."""
    return tool("zsh", ("zsh-static", "zsh-common"), "bin/zsh-static")


def fish() -> Tool:
    """Return fish; an unpacked one finds its functions when its `etc` is beside its `bin`."""
    found = tool("fish", ("fish", "fish-common", "libpcre2-32-0"), "usr/bin/fish")
    if found.root is not None:
        with suppress(FileExistsError):
            (found.root / "usr" / "etc").symlink_to("../etc")
    return found


def systemd_analyze() -> Tool:
    """Return systemd-analyze; an unpacked one knows the units that came with it."""
    packages = (
        "systemd",
        "libsystemd-shared",
        "libapparmor1",
        "libseccomp2",
        "libcryptsetup12",
        "libip4tc2",
        "libkmod2",
    )
    found = tool("systemd-analyze", packages, "usr/bin/systemd-analyze")
    if found.root is None:
        return found
    units = f"{found.root}/lib/systemd/system"
    return found._replace(environment={**found.environment, "SYSTEMD_UNIT_PATH": units})


def logrotate() -> Tool:
    """Return logrotate."""
    return tool("logrotate", ("logrotate", "libpopt0"), "usr/sbin/logrotate")


def mandoc() -> Tool:
    """Return mandoc, the one that is strict about pages."""
    return tool("mandoc", ("mandoc",), "usr/bin/mandoc")


def man() -> Tool:
    """Return man; an unpacked one is told where groff and its files are."""
    packages = ("man-db", "groff-base", "libgdbm6", "libpipeline1", "libuchardet0", "bsdextrautils")
    found = tool("man", packages, "usr/bin/man")
    if found.root is None:
        return found
    usr = found.root / "usr"
    (groff,) = (usr / "share/groff").glob("[0-9]*")
    places = {
        "PATH": f"{usr}/bin:{os.environ['PATH']}",
        "GROFF_BIN_PATH": f"{usr}/bin",
        "GROFF_TMAC_PATH": f"{groff}/tmac:{usr}/share/groff/site-tmac:{found.root}/etc/groff",
        "GROFF_FONT_PATH": f"{groff}/font",
    }
    return found._replace(environment={**found.environment, **places})


def shellcheck() -> Tool:
    """Return shellcheck."""
    return tool("shellcheck", ("shellcheck",), "usr/bin/shellcheck")
