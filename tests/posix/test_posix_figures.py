"""What the kernel tells about real processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.posix.conftest import NOBODY
from tests.support import eventually
from tmd.posix import figures

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start programs as leaders of process groups; all of these are killed at the end."""
    started: list[subprocess.Popen[bytes]] = []

    def run(*command: str, **options: object) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(command, process_group=0, stdout=subprocess.PIPE, **options))  # type: ignore[call-overload]
        return started[-1]

    yield run
    for program in started:
        os.killpg(program.pid, signal.SIGKILL)
        program.communicate()


def tree(leader: int, others: frozenset[int] = frozenset()) -> list[figures.Process]:
    return figures.trees(figures.processes(), {leader, *others}).get(leader, [])


def test_a_process_is_told_with_its_parent_group_start_and_use() -> None:
    found = figures.processes()[os.getpid()]
    assert (found.parent, found.group, found.session) == (os.getppid(), os.getpgrp(), os.getsid(0))
    assert 0 < found.start < figures.now()
    times = os.times()
    assert found.own_s == pytest.approx(times.user + times.system, abs=0.5)
    assert found.rss_bytes > 1_000_000
    assert found.threads >= 1
    assert figures.process(os.getpid()).pid == os.getpid()  # type: ignore[union-attr]


def test_who_is_not_there_is_none() -> None:
    assert figures.process(2**22 + 1) is None
    assert figures.trees(figures.processes(), {2**22 + 1}) == {}


def test_a_name_with_brackets_and_blanks_and_line_breaks_confuses_nobody(start: Start, tmp_path: Path) -> None:
    odd = tmp_path / ") R 1 (x\ny"
    odd.symlink_to("/bin/sleep")
    program = start(str(odd), "100")
    eventually(lambda: b")" in Path(f"/proc/{program.pid}/comm").read_bytes())
    (found,) = tree(program.pid)
    assert (found.pid, found.parent, found.group) == (program.pid, os.getpid(), program.pid)


def test_a_tree_has_children_and_theirs(start: Start) -> None:
    program = start("/bin/sh", "-c", "sh -c 'sleep 100 & sleep 100; :' & sleep 100; :")
    eventually(lambda: len(tree(program.pid)) == 5)
    assert tree(program.pid)[0].pid == program.pid


def test_what_an_ended_child_has_left_in_the_group_belongs_to_the_tree(start: Start) -> None:
    program = start("/bin/sh", "-c", "sh -c 'sh -c \"sleep 100; :\" & :'; sleep 100; :")

    def orphaned() -> bool:
        mine = tree(program.pid)
        pids = {one.pid for one in mine}
        return len(mine) == 4 and any(one.pid != program.pid and one.parent not in pids for one in mine)

    eventually(orphaned, 10.0)


def test_a_session_of_ones_own_makes_no_difference_while_the_parent_lives(start: Start) -> None:
    code = "import os,time\nif not os.fork(): os.setsid()\ntime.sleep(100)"
    program = start(sys.executable, "-S", "-E", "-c", code)
    eventually(lambda: len({one.session for one in tree(program.pid)}) == 2, 10.0)
    (stray,) = [one.pid for one in tree(program.pid) if one.pid != program.pid]
    os.kill(stray, signal.SIGKILL)


def test_two_leaders_share_nobody(start: Start) -> None:
    first, second = start("sleep", "100"), start("sleep", "100")
    mine = frozenset({first.pid, second.pid})
    assert [one.pid for one in tree(first.pid, mine)] == [first.pid]
    everybody = figures.trees(figures.processes(), {os.getpid(), *mine})[os.getpid()]
    assert not mine & {one.pid for one in everybody}, "a leader below another is its own tree"


def test_processor_time_of_children_that_were_waited_for(start: Start) -> None:
    busy = "i=0; while [ $i -lt 150000 ]; do i=$((i+1)); done"
    program = start("/bin/sh", "-c", f"sh -c '{busy}'; echo done; sleep 100; :")
    assert program.stdout is not None
    assert program.stdout.readline() == b"done\n"
    assert figures.process(program.pid).waited_s > 0.03  # type: ignore[union-attr]


def test_descriptors_are_counted_over_processes() -> None:
    read, write = os.pipe()
    try:
        own = len(os.listdir("/proc/self/fd"))  # one more than there are: the one that lists
        assert own - 2 <= figures.descriptors([os.getpid()]) <= own
        assert figures.descriptors([os.getpid(), 2**22 + 1]) == figures.descriptors([os.getpid()])
    finally:
        os.close(read)
        os.close(write)
    assert figures.descriptors([]) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another")
def test_descriptors_of_another_users_process_are_a_number_or_not_known(start: Start) -> None:
    program = start("sleep", "100")
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        os.setresuid(NOBODY, NOBODY, NOBODY)
        os.write(write, str(figures.descriptors([program.pid])).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    assert int(os.read(read, 100)) in (-1, 3)
    os.close(read)
    os.close(write)
