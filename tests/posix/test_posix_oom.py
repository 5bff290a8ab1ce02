"""Whether the kernel killed for want of memory: counters first, then its log."""

import os
from pathlib import Path

import pytest

from tmd.posix.oom import RECENT_S, Kills, OomWitness, Places, Word, judge, told

INITIAL = "pid:[4026531836]"
KMSG = b"""\
6,1,500000,-;Linux version 6.1
3,901,100000000,-;web invoked oom-killer: gfp_mask=0xcc0, order=0, oom_score_adj=0
 SUBSYSTEM=memory
3,902,100000100,-;Out of memory: Killed process 123 (web) anon-rss:2000000kB, file-rss:90000kB, shmem-rss:10000kB
3,903,100000200,-;Memory cgroup out of memory: Killed process 77 (db) total-vm:5kB, anon-rss:40960kB
3,904,100000300,-;oom_reaper: reaped process 123 (web)
"""


@pytest.fixture
def places(tmp_path: Path) -> Places:
    places = Places(*(str(tmp_path / name) for name in Places._fields))
    Path(places.counters).write_text("pgfault 9\noom_kill 4\npgmajfault 2\n")
    Path(places.log).write_bytes(KMSG)
    Path(places.own_group).write_text("0::/tmd.service\n")
    group = Path(places.groups) / "tmd.service"
    group.mkdir(parents=True)
    (group / "memory.events").write_text("low 0\noom 1\noom_kill 1\noom_group_kill 0\n")
    os.symlink(INITIAL, places.namespace)
    return places


def test_counters_are_compared_with_the_last_look(places: Places) -> None:
    at = [100.0]
    witness = OomWitness(places, lambda: at[0])
    assert witness.noted() == (Kills(4, 1), Kills(4, 1))
    Path(places.counters).write_text("oom_kill 6\n")
    (Path(places.groups) / "tmd.service" / "memory.events").write_text("oom_kill 2\n")
    assert witness.noted() == (Kills(4, 1), Kills(6, 2))
    at[0] += RECENT_S - 1
    assert witness.noted() == (Kills(4, 1), Kills(6, 2)), "of two that died together, the second is looked into later"
    at[0] += 2
    assert witness.noted() == (Kills(6, 2), Kills(6, 2))


def test_without_control_groups_or_counters(places: Places) -> None:
    Path(places.own_group).write_text("4:memory:/x\n0::/\n")
    assert OomWitness(places).noted()[1] == Kills(4, None)
    Path(places.own_group).unlink()
    Path(places.counters).write_text("oom_kill many\n")
    assert OomWitness(places).noted()[1] == Kills(None, None)
    Path(places.counters).unlink()
    assert OomWitness(places).noted()[1] == Kills(None, None)


@pytest.mark.parametrize(
    ("before", "now", "verdict"),
    [
        (Kills(4, None), Kills(4, None), "no"),
        (Kills(4, 1), Kills(5, 1), None),
        (Kills(None, None), Kills(None, None), "unknown"),
        (Kills(None, None), Kills(3, None), "unknown"),
        (Kills(4, None), Kills(5, None), None),
        (Kills(4, 1), Kills(5, 2), None),
    ],
)
def test_what_the_counters_say(before: Kills, now: Kills, verdict: str | None) -> None:
    word = judge(before, now)
    assert (word.verdict if word else None) == verdict


def test_what_is_said_when_the_log_cannot_be_asked() -> None:
    one = judge(Kills(4, None), Kills(5, None), ask=False)
    assert one == Word("perhaps", "the kernel killed a process for that reason meanwhile, its log is not readable here")
    group = judge(Kills(4, 1), Kills(6, 2), ask=False)
    assert group is not None
    assert "2 processes in tmd's control group" in group.detail
    other = judge(Kills(4, 1), Kills(5, 1), ask=False)
    assert other is not None
    assert "a process, but none in tmd's control group, for" in other.detail


def test_the_log_names_the_process_and_its_size(places: Places) -> None:
    found = OomWitness(places).ask_log({123: 50.0, 77: 50.0, 9: 50.0})
    assert found == {123: 2_100_000 * 1024, 77: 40960 * 1024}
    assert told(123, found) == Word("yes", "process 123, 2.2 GB")
    assert told(77, found) == Word("yes", "process 77, 42 MB")
    assert told(9, found) == Word("no")
    assert told(5, {5: 0}) == Word("yes", "process 5")


def test_an_earlier_process_of_the_same_number_does_not_count(places: Places) -> None:
    assert OomWitness(places).ask_log({123: 5000.0}) == {}


def test_a_log_that_cannot_be_read_or_has_other_numbers(places: Places) -> None:
    witness = OomWitness(places)
    os.unlink(places.namespace)
    os.symlink("pid:[4026532999]", places.namespace)
    assert witness.ask_log({123: 0.0}) is None
    os.unlink(places.namespace)
    assert witness.ask_log({123: 0.0}) is None
    os.symlink(INITIAL, places.namespace)
    os.unlink(places.log)
    assert witness.ask_log({123: 0.0}) is None


def test_a_log_without_an_end_is_left(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    os.unlink(places.log)
    os.symlink("/dev/zero", places.log)
    monkeypatch.setattr("tmd.posix.oom.LOG_BYTES", 100_000)
    assert OomWitness(places).ask_log({123: 0.0}) == {}


def test_a_log_with_nothing_new_is_not_waited_for(places: Places) -> None:
    os.unlink(places.log)
    os.mkfifo(places.log)
    keeper = os.open(places.log, os.O_RDWR)
    try:
        assert OomWitness(places).ask_log({123: 0.0}) == {}
    finally:
        os.close(keeper)


def test_the_kernel_itself_is_asked_without_trouble() -> None:
    witness = OomWitness()
    before, now = witness.noted()
    assert (before.machine is None) == (now.machine is None)
    witness.ask_log({os.getpid(): 0.0})
