"""The programs as an installation has them: executables in a directory of their own."""

import sys
from pathlib import Path

ENTRIES = {"tmd": "tmd.__main__:run", "tmctl": "tmctl.cli:main", "tmd-pidproxy": "tmd.pidproxy:main"}


def install(directory: Path) -> Path:
    """Write the launchers into a directory, which is made; return it."""
    directory.mkdir(parents=True)
    for name, entry in ENTRIES.items():
        module, _, function = entry.partition(":")
        path = directory / name
        path.write_text(
            f"#!{sys.executable}\nimport sys\nfrom {module} import {function}\nsys.exit({function}())\n",
            encoding="utf-8",
        )
        path.chmod(0o755)
    return directory
