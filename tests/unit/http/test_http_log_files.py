"""Offsets and lengths of logs, with Supervisor's own functions as the oracle."""

import os
import threading
import warnings
import xmlrpc.client
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.http.serving import Serving
from tmd.http.encode import Rendered, encode_response
from tmd.http.log_files import open_log, read_log, size_to_read, tail_log
from tmd.posix.logfiles import LogFile, LogTarget
from tmd.wire.faults import RpcFault

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from supervisor.options import readFile, tailFile


def decoded(rendered: Rendered) -> Any:
    return xmlrpc.client.loads(encode_response(rendered))[0][0]


_OFFSETS = st.integers(-15, 15)


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text("ab\n", max_size=10), _OFFSETS, st.integers(-15, 15))
def test_reads_are_supervisors(tmp_path: Path, text: str, offset: int, length: int) -> None:
    path = tmp_path / "log"
    path.write_text(text)
    try:
        expected = readFile(str(path), offset, length).decode()
    except ValueError as why:
        with pytest.raises(RpcFault, match=str(why)):
            read_log(str(path), offset, length)
    else:
        assert decoded(read_log(str(path), offset, length)) == expected


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text("ab\n", max_size=10), _OFFSETS, st.integers(-15, 15))
def test_tails_are_supervisors(tmp_path: Path, text: str, offset: int, length: int) -> None:
    path = tmp_path / "log"
    path.write_text(text)
    assert decoded(tail_log(str(path), offset, length)) == tailFile(str(path), offset, length)


@pytest.mark.parametrize("offset", [2**31, 2**63, 10**30])
def test_offsets_beyond_reason(tmp_path: Path, offset: int) -> None:
    path = tmp_path / "log"
    path.write_text("hello")
    assert decoded(read_log(str(path), offset, 0)) == ""
    assert decoded(read_log(str(path), -offset, 0)) == "hello"
    assert decoded(read_log(str(path), 1, offset)) == "ello"
    assert decoded(tail_log(str(path), offset, 5)) == ["", 5, False]
    assert decoded(tail_log(str(path), 0, offset)) == ["hello", 5, False]


def test_the_odd_example(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("hi\n")
    assert decoded(tail_log(str(tmp_path / "log"), 0, 1)) == ["\n", 3, True]


def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(RpcFault, match="NO_FILE"):
        read_log(str(fifo), 0, 0)
    assert decoded(tail_log(str(fifo), 0, 10)) == ["", 0, False]
    with pytest.raises(RpcFault, match="FAILED"):
        read_log(str(tmp_path), 0, 0)
    assert decoded(tail_log(str(tmp_path), 3, 10)) == ["", 3, False]


def test_text_cut_in_the_middle_of_a_character(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes("é".encode())
    assert decoded(read_log(str(tmp_path / "log"), 1, 0)) == "\ufffd"


def test_a_log_too_big_for_one_answer(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"x" * 20)
    with pytest.raises(RpcFault, match="FAILED: cannot read 20 bytes at once"):
        read_log(str(tmp_path / "log"), 0, 0, 10)
    assert decoded(read_log(str(tmp_path / "log"), 15, 0, 10)) == "xxxxx"


@pytest.mark.parametrize(
    ("offset", "length", "size"), [(0, 0, 20), (5, 0, 15), (5, 3, 3), (-7, 0, 7), (-70, 0, 20), (50, 0, 0)]
)
def test_the_size_is_known_before_reading(tmp_path: Path, offset: int, length: int, size: int) -> None:
    (tmp_path / "log").write_bytes(b"x" * 20)
    assert size_to_read(str(tmp_path / "log"), offset, length) == size
    assert size_to_read(str(tmp_path / "absent"), offset, length) == 0


def test_a_big_log_is_read_by_a_worker(serving: Serving) -> None:
    text = "line é\n" * 300_000
    (serving.daemon.directory / "web.out").write_text(text)
    with serving.proxy() as proxy:
        assert proxy.supervisor.readProcessStdoutLog("web", 0, 0) == text
        assert proxy.supervisor.tailProcessStdoutLog("web", 0, 5_000_000) == [text, len(text.encode()), False]
        assert len(serving.daemon.worked) == 2
        proxy.supervisor.readProcessStdoutLog("web", 0, 1000)
        assert len(serving.daemon.worked) == 2


@pytest.mark.parametrize("backups", [0, 1, 3])
def test_a_log_is_there_at_every_moment_of_a_rotation(tmp_path: Path, backups: int) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "log")
    over = threading.Event()
    file = LogFile(LogTarget(str(tmp_path / "log"), 10, backups))
    file.ensure(0.0)

    def rotate() -> None:
        while not over.is_set():
            file.ensure(0.0)
            file.write(b"0123456789\n", 0.0)

    writer = threading.Thread(target=rotate)
    writer.start()
    try:
        for _ in range(3000):
            for name in ("log", "link"):
                fd, _ = open_log(str(tmp_path / name))
                os.close(fd)
    finally:
        over.set()
        writer.join()
        file.close()


def test_a_rotation_that_was_cut_short_leaves_what_was_to_be_the_log(tmp_path: Path) -> None:
    (tmp_path / "log.rotating").write_bytes(b"new")
    fd, size = open_log(str(tmp_path / "log"))
    os.close(fd)
    assert size == 3
    (tmp_path / "log.rotating").unlink()
    (tmp_path / "log.1").write_bytes(b"old")
    with pytest.raises(FileNotFoundError):
        open_log(str(tmp_path / "log"))
