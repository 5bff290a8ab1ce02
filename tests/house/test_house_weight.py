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
    "email", "hashlib", "hmac", "html", "http", "inspect", "json", "locale", "logging", "lzma", "multiprocessing",
    "pdb", "pydoc", "random", "readline", "shutil", "smtplib", "ssl", "subprocess", "tempfile", "tomllib", "unittest",
    "urllib", "xml", "xmlrpc", "yaml",
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
from tmd import __main__ as program
program._end_at_once = lambda code: None  # not before it is told what was imported
sys.argv[1:] = ["--nodaemon", "--silent", "-c", sys.argv[1]]
code = program.run()
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


def test_msgspec_is_imported_without_what_it_could_take() -> None:
    script = """
import sys, typing
before = typing.ForwardRef
from tmd.__main__ import _take_msgspec_alone
_take_msgspec_alone()
assert typing.ForwardRef is before and "typing_extensions" not in sys.modules
import msgspec

class Tree(msgspec.Struct):
    left: "Tree | None" = None

print(msgspec.json.decode(b'{"left": {}}', type=Tree))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "Tree(left=Tree(left=None))\n"
