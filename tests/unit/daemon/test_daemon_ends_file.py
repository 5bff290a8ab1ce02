"""The file of ends: what is written is read back, whatever happened to it in between."""

import os
from pathlib import Path

import pytest

from tests.posix.station import Station
from tmd.core.ends import End
from tmd.daemon import ends_file
from tmd.daemon.ends_file import Alive, EndsFile, Record, path_of
from tmd.posix.identity import boot_id
from tmd.wire.names import ProcessId

A = ProcessId("g", "a")
END = End(at=5.0, how="exited", code=3, stdout=b"\x00\xff\n")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tmd.ends"


class Kept:
    """A file with its warnings."""

    def __init__(self, path: Path | str, station: Station) -> None:
        self.warnings: list[str] = []
        self.file = EndsFile(str(path), station.drain, self.warnings.append)
        self.records = self.file.open()
        self.file.begin()


def test_daemons_differ_in_their_pid_files() -> None:
    one, other = path_of("/state", "tmd", "/run/a.pid"), path_of("/state", "tmd", "/run/b.pid")
    assert one != other
    assert one == "/state/tmd-tmd-04e45fd8.ends"
    assert path_of("/state", "../../etc/x", "/run/a.pid").startswith("/state/tmd-.._.._etc_x-")


def test_what_was_written_is_read_back(path: Path, station: Station) -> None:
    written = [
        Record(at=1.0, daemon="started", boot=boot_id()),
        Record(at=2.0, id=A, ends=[END], alive=Alive(7, 1.5)),
        Record(at=3.0, id=A, gone=True),
    ]
    kept = Kept(path, station)
    assert kept.records == []
    for record in written:
        kept.file.write(record)
    station.settle()
    assert path.stat().st_mode & 0o777 == 0o600
    again = Kept(path, station)
    assert again.records == written
    assert kept.warnings == again.warnings == []


def test_without_a_path_nothing_is_kept(station: Station) -> None:
    kept = Kept("", station)
    kept.file.write(Record(at=1.0))
    kept.file.snapshot([Record(at=1.0)])
    assert (kept.records, kept.warnings, kept.file.wants_snapshot) == ([], [], False)


def test_a_torn_line_costs_itself_only(path: Path, station: Station) -> None:
    kept = Kept(path, station)
    kept.file.write(Record(at=1.0, id=A))
    station.settle()
    with path.open("ab") as file:
        file.write(b'{"at":2.0,"id":["g"')
    torn = Kept(path, station)
    assert ([record.at for record in torn.records], torn.warnings) == ([1.0], [])
    torn.file.write(Record(at=3.0, id=A))
    station.settle()
    assert [record.at for record in Kept(path, station).records] == [1.0, 3.0]


@pytest.mark.parametrize(
    "line",
    [
        b"\xff\xfe\x00",
        b"hello",
        b"[]",
        b'{"at":"x"}',
        b'{"at":1,"id":["g"]}',
        b'{"at":1,"ends":[{"at":1}]}',
        b"[" * 900,
    ],
)
def test_foreign_lines_cost_one_warning(path: Path, station: Station, line: bytes) -> None:
    path.write_bytes(b'{"at":1.0}\n' + line + b"\n" + line + b'\n{"at":2.0}\n')
    path.chmod(0o600)
    kept = Kept(path, station)
    assert [record.at for record in kept.records] == [1.0, 2.0]
    assert kept.warnings == [f"cannot understand 2 lines of '{path}' (what they say is forgotten)"]


def test_of_a_huge_file_only_the_end_is_read(path: Path, station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ends_file, "MAX_BYTES", 1000)
    path.write_bytes(b"".join(b'{"at":%d.0}\n' % number for number in range(1000)))
    path.chmod(0o600)
    kept = Kept(path, station)
    assert 50 < len(kept.records) < 100
    assert kept.records[-1].at == 999.0
    assert kept.warnings == []


def test_the_backup_is_read_first(path: Path, station: Station) -> None:
    for name, at in (("tmd.ends.1", 1), ("tmd.ends", 2)):
        path.with_name(name).write_text(f'{{"at":{at}.0}}\n')
        path.with_name(name).chmod(0o600)
    assert [record.at for record in Kept(path, station).records] == [1.0, 2.0]


def test_a_link_is_set_aside(path: Path, station: Station, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text('{"at":1.0}\n')
    path.symlink_to(victim)
    kept = Kept(path, station)
    assert kept.records == []
    assert len(kept.warnings) == 1
    assert f"moved to '{path}.aside'" in kept.warnings[0]
    kept.file.write(Record(at=2.0))
    station.settle()
    assert victim.read_text() == '{"at":1.0}\n'
    assert path.is_file()
    assert not path.is_symlink()


@pytest.mark.parametrize("kind", ["directory", "fifo", "others may write", "somebody else's"])
def test_what_is_not_ours_is_set_aside(path: Path, station: Station, kind: str) -> None:
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.write_text('{"at":1.0}\n')
        path.chmod(0o666 if kind == "others may write" else 0o600)
    if kind == "somebody else's":
        if os.geteuid():
            pytest.skip("only root can give a file away")
        os.chown(path, 12345, 12345)
    kept = Kept(path, station)
    assert (kept.records, len(kept.warnings)) == ([], 1)
    kept.file.write(Record(at=2.0))
    station.settle()
    assert [record.at for record in Kept(path, station).records] == [2.0]


def test_a_directory_that_is_not_there_costs_one_warning(tmp_path: Path, station: Station) -> None:
    kept = Kept(tmp_path / "no" / "where", station)
    kept.file.write(Record(at=1.0))
    station.settle()
    assert len(kept.warnings) == 1
    assert kept.warnings[0].startswith(f"cannot keep the ends of processes in '{tmp_path}/no/where': No such file")
    assert station.dropped == []


def test_what_cannot_be_moved_is_not_written_either(
    path: Path, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_text("theirs")
    path.chmod(0o666)

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "rename", refuse)
    kept = Kept(path, station)
    kept.file.write(Record(at=1.0))
    station.settle()
    assert path.read_text() == "theirs"
    assert "nor move it out of the way: Operation not permitted" in kept.warnings[0]


def test_a_snapshot_is_due_after_so_much_and_is_bounded(
    path: Path, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ends_file, "SNAPSHOT_AFTER_BYTES", 1000)
    monkeypatch.setattr(ends_file, "SNAPSHOT_BYTES", 2000)
    kept = Kept(path, station)
    while not kept.file.wants_snapshot:
        kept.file.write(Record(at=1.0, id=A, ends=[END]))
    station.settle()
    before = path.stat().st_size
    everything = [
        Record(at=2.0, id=ProcessId("g", f"p{number}"), ends=[END], alive=Alive(7, 1.0) if number % 2 else None)
        for number in range(60)
    ]
    kept.file.snapshot(everything)
    station.settle()
    assert not kept.file.wants_snapshot
    assert path.stat().st_size - before < 2000 + 30 * 100
    told = [record for record in Kept(path, station).records if record.at == 2.0]
    assert told[0].ends == [END]
    assert sum(record.alive is not None for record in told) == 30


def test_a_daemon_that_does_not_get_to_run_leaves_no_file(path: Path, station: Station) -> None:
    file = EndsFile(str(path), station.drain, lambda _: None)
    file.open()
    file.write(Record(at=1.0, daemon="ended"))
    station.settle()
    assert not path.exists()


def test_a_file_that_others_could_read_is_ours_alone_from_now_on(path: Path, station: Station) -> None:
    path.touch(0o644)
    Kept(path, station)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="nobody but root is asked where files come from")
def test_a_file_that_has_another_name_where_everybody_may_make_files_is_left_as_it_is(
    path: Path, station: Station
) -> None:
    secret = path.with_name("secret")
    secret.write_text("theirs")
    secret.chmod(0o640)
    shared = path.with_name("shared")
    shared.mkdir()
    shared.chmod(0o1777)
    os.link(secret, shared / path.name)
    kept = Kept(shared / path.name, station)
    kept.file.write(Record(at=1.0))
    station.settle()
    assert (secret.stat().st_mode & 0o777, secret.read_text()) == (0o640, "theirs")
    assert all("the file has another name too" in each for each in kept.warnings)
    assert len(kept.warnings) == 2
