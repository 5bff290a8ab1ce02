"""A real Chromium, fetched when this machine has none, and axe-core. Knows no page and no test.

The machine's own Chromium is taken when there is one. Otherwise Debian's is unpacked beside the virtual environment
with all the libraries this machine lacks: nothing is installed and root is not needed.
"""

import os
import shutil
from importlib import resources
from pathlib import Path

from tests.fetching import FETCHED, alone, fetched, run

PACKAGES = ("chromium", "fonts-dejavu-core")
_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>/usr/share/fonts</dir><dir>{place}/usr/share/fonts</dir><cachedir>{place}/fontcache</cachedir>
<include ignore_missing="yes">/etc/fonts/conf.d</include></fontconfig>
"""


def chromium() -> tuple[str, dict[str, str]]:
    """Return the path of a Chromium and the environment it needs; AssertionError that says how to install one."""
    for name in _NAMES:
        found = shutil.which(name)
        if found:
            return found, dict(os.environ)
    try:
        place = fetched("debian-chromium", _unpack)
    except AssertionError as reason:
        raise AssertionError(f"{reason}\n(install a browser on this machine: apt-get install chromium)") from None
    libraries = {str(library.parent) for library in place.glob("usr/lib/*-linux-gnu/**/*.so*")}
    environment = os.environ | {
        "LD_LIBRARY_PATH": ":".join(sorted(libraries)),
        "FONTCONFIG_FILE": str(place / "fonts.conf"),
    }
    return str(place / "usr/lib/chromium/chromium"), environment


def axe() -> str:
    """Return the script of axe-core."""
    return resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")


def _unpack(place: Path) -> None:
    """Unpack Chromium and everything it needs that is not installed."""
    if shutil.which("apt-get") is None:
        raise AssertionError("cannot fetch chromium: no apt-get here")
    own = FETCHED / "apt"
    for directory in ("state/lists/partial", "cache/archives/partial"):
        (own / directory).mkdir(parents=True, exist_ok=True)
    archives = place / "archives"
    (archives / "partial").mkdir(parents=True)
    apt = ["apt-get", "-q", "-y", "-o", f"Dir::Cache={own}/cache", "-o", f"Dir::Cache::archives={archives}"]
    apt += ["-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User="]
    lists = ["-o", f"Dir::State={own}/state", "-o", "Dir::State::status=/var/lib/dpkg/status"]
    wanted = ["--no-install-recommends", "--download-only", "install", *PACKAGES]
    with alone(own / "lock"):
        try:
            run([*apt, *wanted], place, "chromium")
        except AssertionError:  # the machine's lists are old, or there are none: have lists of our own
            run([*apt, *lists, "update"], place, "the lists of Debian packages")
            run([*apt, *lists, *wanted], place, "chromium")
    for archive in archives.glob("*.deb"):
        run(["dpkg-deb", "-x", archive, place], place, "chromium")
    shutil.rmtree(archives)
    # The place is renamed once it is complete: the file must know it by its name of then.
    final = FETCHED / "debian-chromium"
    (place / "fonts.conf").write_text(_FONTS.format(place=final), encoding="utf-8")
    if not (place / "usr/lib/chromium/chromium").exists():
        raise AssertionError(f"cannot fetch chromium: {', '.join(PACKAGES)} have no /usr/lib/chromium/chromium")
