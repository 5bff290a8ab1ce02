"""Supervisor's names in front of ours, as `tmd --install-names` makes them."""

import subprocess
import sysconfig
from pathlib import Path

SCRIPTS = Path(sysconfig.get_path("scripts"))


def install_names(directory: Path) -> Path:
    """Make a directory where supervisord and the others are ours; return it."""
    directory.mkdir()
    subprocess.run([SCRIPTS / "tmd", "--install-names", directory], check=True, capture_output=True)
    return directory
