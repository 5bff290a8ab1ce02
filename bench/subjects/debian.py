"""Programs of Debian packages without installing them: the system's when it has them, else unpacked into the cache."""

import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.cache import making, run
from bench.subjects.base import Unavailable

_ALWAYS_THERE = ("libc6", "libgcc-s1")
_MARK = "fetched"


@dataclass(frozen=True, slots=True)
class Tools:
    """Where the programs of a package are."""

    version: str
    bin: Path | None
    """None: where the system has them, in $PATH"""
    libraries: Path | None
    """what they need besides the system's libraries; None: nothing"""

    def search(self) -> str:
        """Return the $PATH they are found in."""
        return os.pathsep.join([*([str(self.bin)] if self.bin else []), os.environ.get("PATH", os.defpath)])

    def path(self, name: str) -> str:
        """Return a program's absolute path. Raises `Unavailable`."""
        found = shutil.which(name, path=self.search())
        if found is None:
            raise Unavailable(f"cannot find {name}: it is not in {self.search()}")
        return found

    def environment(self) -> dict[str, str]:
        """Return what they need in their environment."""
        return {"PATH": self.search()} | ({"LD_LIBRARY_PATH": str(self.libraries)} if self.libraries else {})


def tools(package: str, programs: Sequence[str], adapt: Callable[[Path], None] = lambda _: None) -> Tools:
    """Find these programs of a package; unpack it into the cache when the system lacks one. Raises `Unavailable`.

    adapt: is given the directory of the programs once, after unpacking: some know the place they are installed at.
    """
    if all(shutil.which(program) for program in programs):
        return Tools(_installed_version(package), None, None)
    with making(f"{package}-{platform.machine()}") as place:
        if not (place / _MARK).is_file():
            _fetch(package, place, adapt)
        version = (place / _MARK).read_text(encoding="utf-8")
    libraries = sorted({library.parent for library in place.glob("usr/lib/*/*.so*")})
    return Tools(version, place / "usr/bin", libraries[0] if libraries else None)


def _installed_version(package: str) -> str:
    try:
        asked = ("dpkg-query", "--show", "--showformat=${Version}", package)
        done = subprocess.run(asked, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "of this system"
    return done.stdout.strip()


def _fetch(package: str, place: Path, adapt: Callable[[Path], None]) -> None:
    """Unpack a package and the libraries it needs beside the place, and rename it there."""
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise Unavailable(f"cannot fetch {package}: this is no Debian, {program} is missing (install {package})")
    fresh = place.with_name(f"{place.name}.{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        version, wanted, had = "", [package], set[str]()
        while wanted:
            name = wanted.pop()
            had.add(name)
            archive = _download(name, fresh / "archives" / name)
            run(("dpkg-deb", "--extract", str(archive), str(fresh)), f"unpack {archive.name}")
            version = version or _field(archive, "Version")
            wanted += [other for other in _libraries(_field(archive, "Depends")) if other not in had]
        adapt(fresh / "usr/bin")
        shutil.rmtree(fresh / "archives")
        (fresh / _MARK).write_text(version, encoding="utf-8")
        shutil.rmtree(place, ignore_errors=True)
        fresh.rename(place)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _download(package: str, into: Path) -> Path:
    # A directory for each: what apt-get calls the file is its own affair.
    into.mkdir(parents=True)
    try:
        run(("env", "-C", str(into), "apt-get", "--quiet", "download", package), f"fetch {package} from Debian")
    except Unavailable as error:
        raise Unavailable(f"{error} (apt-get update, or apt-get install {package})") from error
    return next(into.glob("*.deb"))


def _field(archive: Path, name: str) -> str:
    asked = ("dpkg-deb", "--field", str(archive), name)
    return subprocess.run(asked, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True).stdout.strip()


def _libraries(depends: str) -> list[str]:
    """Return the names of the libraries in a Depends field that not every Debian has; of alternatives the first."""
    names = [clause.split("|")[0].split("(")[0].strip() for clause in depends.split(",")]
    return [name for name in names if name.startswith("lib") and name not in _ALWAYS_THERE]
