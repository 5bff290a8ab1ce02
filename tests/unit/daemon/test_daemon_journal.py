"""The journal: what was flushed is read back, and whatever else is found in its place costs a warning at most."""

import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tmd.core.condition import Process, Wanted
from tmd.core.events import Event
from tmd.core.gauge import Counts
from tmd.core.records import Entry, Life
from tmd.daemon.journal import MAX_BYTES, HeldEvent, Journal, path_of
from tmd.daemon.journal_file import MIN_BYTES
from tmd.wire.names import ProcessId
from tmd.wire.states import ProcessState

WEB, JOB = ProcessId("web", "web"), ProcessId("jobs", "a")
TOLD = "it goes on trying"


def entry(starts: int = 1, id_: ProcessId = WEB, spawnerr: str = "") -> Entry:
    return Entry(
        id=id_,
        process=Process(
            state=ProcessState.RUNNING,
            wanted=Wanted.UP,
            epoch=2 * starts,
            pid=100 + starts,
            starts=starts,
            started_at=5.25,
            spawnerr=spawnerr,
        ),
        life=Life(token=f"k.{starts}", pid=100 + starts, ticks=77, pipes={"stdout": 9}),
        started=1e9,
        counts=Counts(starts=starts, exits={"failed": starts - 1}),
    )


class Kept:
    """A journal in a directory, and the ones after it."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "tmd.journal"
        self.warnings: list[str] = []
        self.open: list[Journal] = []

    def journal(self) -> Journal:
        made = Journal(str(self.path), self.warnings.append)
        self.open.append(made)
        return made

    def read(self) -> list[Entry]:
        return self.journal().read()

    @property
    def data(self) -> bytes:
        return self.path.read_bytes().rstrip(b"\0")


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    made = Kept(tmp_path)
    yield made
    for journal in made.open:
        journal.close()


def noted(kept: Kept, *entries: Entry) -> Journal:
    journal = kept.journal()
    for each in entries:
        journal.note(each)
        journal.flush()
    return journal


# --- what was flushed is there


def test_what_was_flushed_is_read_back(kept: Kept) -> None:
    first = noted(kept, entry(), entry(4, JOB))
    second = kept.journal()
    assert second.read() == [entry(), entry(4, JOB)]
    assert second.key == first.key
    assert kept.warnings == []


def test_the_last_entry_of_a_process_counts(kept: Kept) -> None:
    noted(kept, entry(), entry(4, JOB), entry(2), entry(3))
    assert kept.read() == [entry(3), entry(4, JOB)]


def test_what_was_forgotten_is_gone(kept: Kept) -> None:
    journal = noted(kept, entry(), entry(4, JOB))
    journal.forget(WEB)
    journal.flush()
    assert kept.read() == [entry(4, JOB)]
    assert journal.known() == [JOB]
    journal.forget(WEB)
    writes = journal.figures.writes
    journal.flush()
    assert journal.figures.writes == writes, "nothing to say, and it was written"


def test_nothing_is_touched_before_the_first_flush(kept: Kept, tmp_path: Path) -> None:
    journal = kept.journal()
    assert journal.read() == []
    journal.note(entry())
    assert list(tmp_path.iterdir()) == []
    journal.flush()
    assert kept.read() == [entry()]


def test_one_flush_is_one_write_whatever_was_noted(kept: Kept) -> None:
    journal = noted(kept, entry())
    before = journal.figures
    for starts in range(2, 50):
        journal.note(entry(starts))
        journal.note(entry(starts, JOB))
    journal.flush()
    assert journal.figures.writes == before.writes + 1
    assert journal.figures.bytes > before.bytes
    assert kept.read() == [entry(49), entry(49, JOB)]
    assert kept.data.count(b"\n") == 4, "only the last entry of each is worth a line"


def test_what_is_known_already_is_not_written_again(kept: Kept) -> None:
    journal = noted(kept, entry())
    size = kept.data
    journal.note(entry())
    journal.flush()
    assert kept.data == size


def test_what_was_read_counts_until_it_is_noted_anew(kept: Kept) -> None:
    noted(kept, entry(), entry(4, JOB))
    second = kept.journal()
    second.read()
    second.note(entry(9))
    second.flush()
    assert kept.read() == [entry(9), entry(4, JOB)]


def test_events_that_nobody_has_accepted_are_kept(kept: Kept) -> None:
    journal = kept.journal()
    for serial in (1, 2, 3):
        journal.note_event("mail", serial, Event("TICK_5", f"when:{serial}"))
    journal.flush()
    journal.forget_event("mail", 2)
    journal.flush()
    later = kept.journal()
    assert later.read() == []
    assert list(later.events.values()) == [
        HeldEvent("mail", 1, Event("TICK_5", "when:1")),
        HeldEvent("mail", 3, Event("TICK_5", "when:3")),
    ]
    later.forget_event("mail", 1)
    later.flush()
    assert [held.serial for held in _again(kept).events.values()] == [3]


def _again(kept: Kept) -> Journal:
    journal = kept.journal()
    journal.read()
    return journal


def test_text_that_no_file_can_hold_is_spelled(kept: Kept) -> None:
    journal = noted(kept, entry(spawnerr="cannot exec 'a\udcff'"))
    journal.note_event("mail", 1, Event("REMOTE", "a\udcffb"))
    journal.flush()
    later = kept.journal()
    (found,) = later.read()
    assert found.process.spawnerr == "cannot exec 'a\\udcff'"
    assert later.events["mail", 1].event.payload == "a?b"


def test_without_a_path_nothing_is_kept() -> None:
    journal = Journal("", print)
    assert journal.read() == []
    journal.note(entry())
    journal.flush()
    assert journal.next_token() == f"{journal.key}.1"
    journal.end()
    assert journal.figures == (0, 0, 0)


def test_its_place_depends_on_who_the_daemon_is() -> None:
    assert path_of("", "a", "/run/a.pid") == ""
    one, other = (path_of("/var/lib/x", "a/b", f"/run/{name}.pid") for name in "ab")
    assert one.startswith("/var/lib/x/tmd-a_b-")
    assert one.endswith(".journal")
    assert one != other


# --- tokens


def test_a_token_is_never_given_twice(kept: Kept) -> None:
    given: set[str] = set()
    for _ in range(3):
        journal = kept.journal()
        journal.read()
        tokens = [journal.next_token() for _ in range(1500)]  # and then the daemon is killed
        assert given.isdisjoint(tokens)
        given.update(tokens)
    assert len({token.split(".")[0] for token in given}) == 1, "another key"
    assert len(given) == 4500


def test_key_and_number_may_be_given(kept: Kept) -> None:
    journal = Journal(str(kept.path), kept.warnings.append, "0123abcd", 41)
    assert journal.next_token() == "0123abcd.42"
    assert journal.number == 42
    journal.close()


def test_two_daemons_have_two_keys(kept: Kept) -> None:
    assert kept.journal().key != kept.journal().key


# --- whose file it is


@pytest.mark.parametrize("umask", [0, 0o777])
def test_nobody_else_can_read_it(kept: Kept, umask: int) -> None:
    before = os.umask(umask)
    try:
        noted(kept, entry())
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in kept.path.parent.iterdir()}
    assert modes <= {0o600 & ~umask}


def refused(kept: Kept, why: str) -> None:
    """It is set aside with one warning, and a new one takes its place."""
    journal = kept.journal()
    assert journal.read() == []
    (warning,) = kept.warnings
    assert why in warning
    assert warning.startswith(f"cannot use the journal '{kept.path}': ")
    assert not os.path.lexists(kept.path)
    assert os.path.lexists(f"{kept.path}.aside")
    journal.note(entry(3))
    journal.flush()
    assert kept.read() == [entry(3)]
    assert len(kept.warnings) == 1


def test_a_link_is_not_followed(kept: Kept, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"precious")
    kept.path.symlink_to(other)
    refused(kept, "a link")
    assert other.read_bytes() == b"precious"


def test_a_pipe_does_not_hold_it_up(kept: Kept) -> None:
    os.mkfifo(kept.path)
    refused(kept, "no file")


def test_a_directory_is_no_journal(kept: Kept) -> None:
    kept.path.mkdir()
    refused(kept, "no file")


@pytest.mark.parametrize("mode", [0o620, 0o644, 0o604, 0o700])
def test_what_is_not_ours_alone_is_not_believed(kept: Kept, mode: int) -> None:
    noted(kept, entry())
    kept.path.chmod(mode)
    refused(kept, "others may read or write")


def test_what_has_another_name_is_not_believed(kept: Kept) -> None:
    noted(kept, entry())
    os.link(kept.path, kept.path.with_name("program.log"))
    refused(kept, "known by another name")


def test_a_daemon_that_was_killed_while_it_changed_files_left_a_good_one(kept: Kept) -> None:
    noted(kept, entry())
    os.link(kept.path, f"{kept.path}.old")
    assert kept.read() == [entry()]
    assert kept.warnings == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a file away")
def test_what_belongs_to_somebody_else_is_not_believed(kept: Kept) -> None:
    noted(kept, entry())
    os.chown(kept.path, 12345, 12345)
    refused(kept, "somebody else's")


def test_what_is_too_long_is_not_read(kept: Kept) -> None:
    noted(kept, entry())
    os.truncate(kept.path, MAX_BYTES + 1)
    refused(kept, "longer than any journal")


def test_a_name_for_the_next_file_that_is_taken_is_freed(kept: Kept, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"precious")
    Path(f"{kept.path}.new").symlink_to(other)
    Path(f"{kept.path}.old").write_bytes(b"old")
    noted(kept, entry())
    assert other.read_bytes() == b"precious"
    assert kept.read() == [entry()]
    assert not os.path.exists(f"{kept.path}.old")


def test_whoever_sits_on_the_names_for_the_next_file_changes_nothing(kept: Kept, tmp_path: Path) -> None:
    for name in (f"{kept.path}.new", f"{kept.path}.old"):
        Path(name).mkdir()
    journal = noted(kept, entry())
    for starts in range(2, 3000):
        journal.note(entry(starts))
        journal.flush()
    assert kept.read() == [entry(2999)]
    assert (kept.warnings, journal.figures.failures) == ([], 0)
    journal.end()
    assert {path.name for path in tmp_path.iterdir()} == {"tmd.journal.new", "tmd.journal.old"}


# --- what was torn, and what is not ours


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"\0" * 100, b"hello\n", b'{"journal":2,"key":"k"}\n', b"[]\n", b"\xff\n"]
)
def test_something_else_is_set_aside(kept: Kept, data: bytes) -> None:
    kept.path.write_bytes(data)
    kept.path.chmod(0o600)
    refused(kept, "torn, or of another version or program")


def test_another_start_of_the_machine_is_forgotten_in_silence(kept: Kept) -> None:
    journal = noted(kept, entry())
    head, rest = kept.data.split(b"\n", 1)
    assert b'"boot":"' in head
    kept.path.write_bytes(head.replace(b'"boot":"', b'"boot":"other') + b"\n" + rest)
    later = kept.journal()
    assert later.read() == []
    assert later.key != journal.key
    assert kept.warnings == []
    later.note(entry(7))
    later.flush()
    assert kept.read() == [entry(7)]


def test_a_cut_at_every_byte_costs_what_is_behind_it(kept: Kept) -> None:
    journal = noted(kept, entry(), entry(1, JOB), entry(2), entry(3))
    journal.forget(JOB)
    journal.note(entry(4))
    journal.flush()
    whole = kept.data
    lines = whole.split(b"\n")
    ends = [len(b"\n".join(lines[:count])) + 1 for count in range(1, len(lines))]
    after = {1: [entry()], 2: [entry(), entry(1, JOB)], 3: [entry(2), entry(1, JOB)], 4: [entry(3), entry(1, JOB)]}
    for cut in range(len(whole) + 1):
        for tail in (b"", b"\0" * 10):
            kept.path.unlink(missing_ok=True)
            kept.path.write_bytes(whole[:cut] + tail)
            kept.path.chmod(0o600)
            kept.warnings.clear()
            found = Journal(str(kept.path), kept.warnings.append).read()
            complete = sum(end <= cut for end in ends) - 1
            if complete < 0:
                assert found == []
                assert len(kept.warnings) == 1
                continue
            assert kept.warnings == [], "a line torn by a crash is nobody's fault"
            if complete in after:
                assert found == after[complete]


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense",
        b'{"entry":{"id":["a","b"],"process":{"state":77}}}',
        b'{"entry":{"id":["a"],"process":{}}}',
        b'{"entry":{"id":["a","b"],"process":{"state":20}}}',
        b'{"entry":{"id":["a","b"],"process":{"state":20,"pid":5}}}',
        b'{"entry":{"id":["a","b"],"process":{"state":20,"pid":5},"life":{"token":"k.1","pid":6}}}',
        b'{"entry":{"id":["a","b"],"process":{"state":20,"pid":1},"life":{"token":"k.1","pid":1}}}',
        b'{"entry":{"id":["a","b"],"process":{"state":20,"pid":-5},"life":{"token":"k.1","pid":-5}}}',
        b'{"entry":{"id":["a","b"],"process":{"state":0,"pid":5},"life":{"token":"k.1","pid":5}}}',
        b'{"entry":{"id":["a","b"],"process":{"state":0,"prestopping":true}}}',
        b'{"entry":{"id":["a","b"],"process":{"state":10},"life":{"token":"","pid":0}}}',
        b'{"entry":{"id":["a","b"],"process":{"state":10,"pid":99999999999999999999999}}}',
        b'{"entry":' + b"[" * 5000,
        b"\xff\xfe",
    ],
)
def test_a_line_without_sense_costs_that_line(kept: Kept, line: bytes) -> None:
    noted(kept, entry(), entry(1, JOB))
    lines = kept.data.split(b"\n")
    kept.path.write_bytes(b"\n".join([*lines[:2], line, *lines[2:]]))
    assert kept.read() == [entry(), entry(1, JOB)]
    assert kept.warnings == [f"cannot understand 1 lines of the journal '{kept.path}' (what they say is forgotten)"]


# --- the file


def test_it_does_not_grow_without_end(kept: Kept, tmp_path: Path) -> None:
    journal = kept.journal()
    for starts in range(1, 3000):
        journal.note(entry(starts))
        journal.flush()
    names = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert set(names) == {"tmd.journal", "tmd.journal.new"}
    assert all(size <= MIN_BYTES for size in names.values())
    assert kept.read() == [entry(2999)]
    assert journal.figures.failures == 0


def test_with_much_in_it_it_is_longer(kept: Kept) -> None:
    journal = kept.journal()
    many = [entry(1, ProcessId("many", f"p{number}")) for number in range(3000)]
    for each in many:
        journal.note(each)
    journal.flush()
    assert kept.read() == many
    for starts in range(2, 12):
        many = [entry(starts, each.id) for each in many]
        for each in many:
            journal.note(each)
        journal.flush()
    assert kept.read() == many


@contextmanager
def longest_file(size: int) -> Iterator[None]:
    """Refuse all files that would be longer, as a full disk would."""
    before, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, hard))


def test_a_full_disk_does_not_stop_what_has_its_space(kept: Kept) -> None:
    journal = noted(kept, entry())
    with longest_file(MIN_BYTES):
        for starts in range(2, 3000):
            journal.note(entry(starts))
            journal.flush()
    assert (journal.figures.failures, kept.warnings) == (0, [])
    assert kept.read() == [entry(2999)]


def test_a_full_disk_is_told_of_once_and_recovered_from(kept: Kept) -> None:
    journal = noted(kept, entry())
    many = [entry(1, ProcessId("many", f"p{number}")) for number in range(1000)]
    with longest_file(MIN_BYTES):
        for _ in range(5):
            for each in many:
                journal.note(each)
            journal.flush()
        assert kept.read() == [entry()], "what there was is lost"
    assert journal.figures.failures == 5
    (warning,) = kept.warnings
    assert warning.startswith(f"cannot write the journal '{kept.path}': File too large (")
    assert TOLD in warning
    journal.flush()
    assert kept.warnings[1:] == [f"the journal '{kept.path}' can be written again, and is complete"]
    assert kept.read() == [entry(), *many]
    writes = journal.figures.writes
    journal.flush()
    assert journal.figures.writes == writes


def test_with_little_space_there_is_a_journal_without_much_to_grow_in(kept: Kept) -> None:
    many = [entry(1, ProcessId("many", f"p{number}")) for number in range(1000)]
    journal = kept.journal()
    for each in many:
        journal.note(each)
    with longest_file(400_000):  # four times what is in it is more than that
        journal.flush()
        for starts in range(2, 500):
            journal.note(entry(starts))
            journal.flush()
    assert (journal.figures.failures, kept.warnings) == (0, [])
    assert kept.read() == [*many, entry(499)]


def test_a_directory_that_is_not_there_is_waited_for(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "state")
    journal = noted(kept, entry(), entry(2))
    assert journal.figures.failures == 2
    assert len(kept.warnings) == 1
    assert "No such file or directory" in kept.warnings[0]
    kept.path.parent.mkdir()
    journal.flush()
    assert kept.read() == [entry(2)]
    journal.close()


def test_a_file_that_somebody_removed_is_made_again(kept: Kept) -> None:
    journal = noted(kept, entry(), entry(4, JOB))
    for path in kept.path.parent.iterdir():
        path.unlink()
    journal.note(entry(2))
    journal.flush()
    assert kept.read() == [entry(2), entry(4, JOB)]
    for starts in range(3, 1000):
        journal.note(entry(starts))
        journal.flush()
    assert kept.read() == [entry(999), entry(4, JOB)]
    assert kept.warnings == []


def test_a_look_finds_that_it_is_gone_while_nothing_changes(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "state")
    kept.path.parent.mkdir(mode=0o700)
    journal = kept.journal()
    assert not journal.look(), "there was none yet"
    journal.note(entry())
    journal.flush()
    assert not journal.look()
    for lose in (kept.path.unlink, lambda: shutil.rmtree(kept.path.parent), lambda: kept.path.rename(tmp_path / "x")):
        lose()
        assert journal.look()
        assert kept.read() == [entry()]
    assert stat.S_IMODE(kept.path.parent.stat().st_mode) == 0o700
    assert not journal.look()
    assert kept.warnings == []

    shutil.rmtree(kept.path.parent)
    kept.path.parent.write_text("in the way")
    assert not journal.look()
    assert not journal.look()
    (warning,) = kept.warnings
    assert TOLD in warning
    kept.path.parent.unlink()
    assert journal.look()
    assert kept.warnings[1:] == [f"the journal '{kept.path}' can be written again, and is complete"]
    assert kept.read() == [entry()]
    journal.end()
    assert not journal.look()
    assert not kept.path.exists()


def test_what_was_noted_while_there_was_no_directory_gets_one(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "state")
    journal = noted(kept, entry())
    assert len(kept.warnings) == 1
    journal.look()
    assert kept.read() == [entry()]


def test_a_file_that_somebody_put_in_its_place_is_replaced(kept: Kept) -> None:
    journal = noted(kept, entry())
    stranger = kept.path.with_name("stranger")
    stranger.write_bytes(b"precious")
    stranger.rename(kept.path)
    journal.note(entry(2))
    journal.flush()
    assert kept.read() == [entry(2)]


def test_after_an_orderly_end_there_is_nothing(kept: Kept, tmp_path: Path) -> None:
    journal = noted(kept, entry())
    journal.end()
    assert list(tmp_path.iterdir()) == []
    journal.note(entry(2))
    journal.flush()
    for _ in range(2000):
        journal.next_token()
    assert list(tmp_path.iterdir()) == [], "it has come back"
    journal.end()


def test_closed_it_stays_and_holds_nothing(kept: Kept) -> None:
    before = set(os.listdir("/proc/self/fd"))
    journal = noted(kept, entry())
    for starts in range(2, 1000):
        journal.note(entry(starts))
        journal.flush()
    journal.close()
    assert set(os.listdir("/proc/self/fd")) == before
    assert kept.read() == [entry(999)]


WRITER = """
import os, sys
from tests.unit.daemon.test_daemon_journal import JOB, entry
from tmd.daemon.journal import Journal
journal = Journal(sys.argv[1], print)
journal.read()
for starts in range(1, 10**9):
    journal.note(entry(starts))
    journal.note(entry(starts, JOB))
    journal.flush()
    os.write(1, b"%d\\n" % starts)
"""


@pytest.mark.parametrize("at_least", [1, 40, 300, 1200])
def test_what_was_flushed_survives_sigkill(kept: Kept, at_least: int) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, str(kept.path)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        said = b""
        while said.count(b"\n") <= at_least:
            said += os.read(writer.stdout.fileno(), 65536)
        writer.send_signal(signal.SIGKILL)
        said += writer.stdout.read()
    flushed = int(said.rsplit(b"\n", 2)[-2])
    found = {each.id: each.process.starts for each in kept.read()}
    assert flushed <= min(found.values()) <= max(found.values()) <= flushed + 1
    assert kept.warnings == []
    assert set(found) == {WEB, JOB}
