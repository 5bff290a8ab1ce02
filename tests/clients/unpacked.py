"""Supervisor's source distribution, unpacked: the wheel leaves its tests out."""

import sys
import tarfile
from pathlib import Path

from tests.fetching import fetched, only, run

RELEASE = "4.3.0"

_HELLO = """\
for i in $(seq 1 1000); do
    echo "The Øresund bridge ends in Malmö - $i"
    sleep 0.2
done
"""


def supervisor_source() -> Path:
    """Return the directory of Supervisor's sources."""
    return fetched(f"supervisor-{RELEASE}", _unpack)


def _unpack(place: Path) -> None:
    what = f"the sources of Supervisor {RELEASE}"
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    run([*pip, "--no-binary", "supervisor", f"supervisor=={RELEASE}"], place, what)
    archive = only(place, "*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(place, filter="data")
    archive.unlink()
    top = only(place, "supervisor-*")
    for entry in top.iterdir():
        entry.rename(place / entry.name)
    top.rmdir()
    # A configuration of the tests runs this script, and the release forgot to pack it.
    (place / "supervisor/tests/fixtures/hello.sh").write_text(_HELLO, encoding="utf-8")
