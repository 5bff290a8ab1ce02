"""What an earlier daemon left that no journal of this one names: told of with its numbers."""

import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tmd.core.condition import Process
from tmd.core.records import LIFE, Entry, Life
from tmd.daemon import abandoned
from tmd.daemon.journal import Journal, path_of
from tmd.posix.identity import ticks_of
from tmd.posix.marks import carriers
from tmd.wire.names import ProcessId
from tmd.wire.states import ProcessState


@contextmanager
def program(token: str) -> Iterator[int]:
    """A process that leads a group and carries a token, with a child of its own."""
    words = ["sh", "-c", "sleep 1000 & echo; wait"]
    child = subprocess.Popen(words, env={LIFE: token}, stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert child.stdout is not None
        child.stdout.readline()
        yield child.pid
    finally:
        subprocess.run(["kill", "-9", "--", f"-{child.pid}"], check=True)
        child.communicate()


def journal(directory: Path, identifier: str = "tm", pidfile: str = "/run/a") -> Journal:
    return Journal(path_of(str(directory), identifier, pidfile), pytest.fail)


def keep(journal: Journal, pid: int, ticks: int) -> None:
    process = Process(state=ProcessState.RUNNING, pid=pid)
    journal.note(Entry(id=ProcessId("web", "web"), process=process, life=Life(token="k.1", pid=pid, ticks=ticks)))
    journal.flush()


def test_the_journal_of_another_daemon_is_told_of_once_that_is_gone(tmp_path: Path) -> None:
    ours = journal(tmp_path, pidfile="/run/b")
    with program("k.1") as pid, closing(journal(tmp_path)) as other, closing(journal(tmp_path, "else")) as stranger:
        keep(other, pid, ticks_of(pid))
        keep(stranger, pid, ticks_of(pid))
        stranger.close()
        assert abandoned.by_other_daemons(ours) == [], "it has a daemon"
        other.close()
        (text,) = abandoned.by_other_daemons(ours)
        assert f"pid {pid};" in text
        assert f"'{other.path}'" in text
        assert "same pid file" in text
        assert abandoned.by_other_daemons(journal(tmp_path)) == [], "that one reads it as its own"
        assert abandoned.by_other_daemons(Journal("", pytest.fail)) == []
    assert abandoned.by_other_daemons(ours) == [], "nobody lives"


def test_a_number_that_is_somebody_else_s_now_and_a_torn_file_are_no_matter(tmp_path: Path) -> None:
    with program("k.1") as pid, closing(journal(tmp_path)) as other:
        keep(other, pid, ticks_of(pid) + 1)
        other.close()
        assert abandoned.by_other_daemons(journal(tmp_path, pidfile="/run/b")) == []
    Path(other.path).write_bytes(b"torn")
    assert abandoned.by_other_daemons(journal(tmp_path, pidfile="/run/b")) == []
    assert Path(other.path).read_bytes() == b"torn", "it is not ours to move"


def test_without_a_journal_marks_tell_who_goes_on() -> None:
    with program("0badc0de.1") as pid:
        text = abandoned.without_a_journal("0badc0de")
        assert text.startswith(f"programs of that tmd still run: pid {pid};")
        assert abandoned.without_a_journal("0badc0d") == ""
        assert str(pid) not in abandoned.without_a_journal(""), "who started it is there, and is what we are"


def test_many_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abandoned, "NAMED", 1)
    with program("0badcafe.1") as one, program("0badcafe.2") as two:
        first = min(one, two)
        assert f"pid {first} and 1 more; " in abandoned.without_a_journal("0badcafe")


def test_of_lives_that_were_left_alone_those_count_that_go_on(tmp_path: Path) -> None:
    ours = journal(tmp_path)
    ours.spare(f"{ours.key}.1")
    ours.spare(f"{ours.key}.2")
    with program(f"{ours.key}.1"), closing(ours):
        marked = carriers(LIFE, lambda value: value.startswith(f"{ours.key}."))
        assert abandoned.going_on(ours, marked) == {f"{ours.key}.1"}
        ours.spare_no_more(f"{ours.key}.2")
        ours.flush()
        again = journal(tmp_path)
        again.read()
        assert again.spared == {f"{ours.key}.1"}
