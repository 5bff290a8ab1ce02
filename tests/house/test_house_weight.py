"""The daemon stays light: what a running one has imported is what it needs."""

import subprocess
import sys

import pytest

THIRD_PARTY = {"tmd", "configobj", "msgspec"}
"""not typing_extensions, which msgspec would take where it is installed"""
STARTUP = {"_distutils_hack", "sitecustomize", "usercustomize", "_virtualenv", "coverage"}
"""what an environment may put into every interpreter"""
HEAVY = {
    "argparse", "ast", "asyncio", "bz2", "cProfile", "concurrent", "configparser", "ctypes", "dataclasses", "dis",
    "email", "hashlib", "hmac", "html", "http", "inspect", "json", "logging", "lzma", "multiprocessing", "pdb", "pydoc",
    "random", "readline", "shutil", "smtplib", "ssl", "tempfile", "tomllib", "unittest", "urllib", "xml", "xmlrpc",
    "yaml",
}  # fmt: skip

NATIVE = """
[taskmaster]
logfile = {home}/tmd.log
pidfile = {home}/tmd.pid
childlogdir = {home}
statedir = {home}
socket = {home}/s
http = false

[once]
cmd = sh -c 'kill -TERM $PPID; sleep 5'
"""

SCRIPT = """
import sys
from tmd.__main__ import run
sys.argv[1:] = ["--nodaemon", "--silent", "-c", sys.argv[1]]
code = run()
print(code, *sorted({name.split(".")[0] for name in sys.modules}))
"""


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Run the whole life of a daemon; return the top-level modules it had at its end."""
    home = tmp_path_factory.mktemp("light")
    config = home / "light.ini"
    config.write_text(NATIVE.format(home=home))
    command = [sys.executable, "-c", SCRIPT, str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, cwd=home)
    code, *modules = done.stdout.split()
    assert code == "0", done.stderr
    return set(modules)


def test_it_ran_at_all(imported: set[str]) -> None:
    assert {"tmd", "msgspec", "selectors"} <= imported


def test_nothing_heavy_is_imported(imported: set[str]) -> None:
    assert imported & HEAVY == set()


def test_third_parties_are_the_declared_ones(imported: set[str]) -> None:
    foreign = {name for name in imported if name not in sys.stdlib_module_names and not name.startswith("__editable__")}
    assert foreign - STARTUP - {"__main__", "__mp_main__"} <= THIRD_PARTY
