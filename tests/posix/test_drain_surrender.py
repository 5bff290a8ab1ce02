"""A drain hands all it has to another one: pipes stay open, and logs and events are as if there had been one only."""

import functools
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.posix.station import Station
from tests.programs.check_lines import check, oldest_first
from tmd.core.capture import BEGIN_TOKEN, END_TOKEN, CaptureTransform
from tmd.core.lines import LineFormat
from tmd.posix import pipes
from tmd.posix.drain import Held, LogTarget, Sinks, Surrendered
from tmd.wire.names import ProcessId


@pytest.fixture
def stations() -> Iterator[list[Station]]:
    opened: list[Station] = []
    yield opened
    for station in opened:
        station.close()


def another(stations: list[Station]) -> Station:
    stations.append(Station())
    return stations[-1]


def surrendered(station: Station, timeout_s: float = 5.0) -> Surrendered:
    told: list[Surrendered] = []
    station.drain.surrender(told.append, timeout_s)
    station.until(lambda: told)
    return told[0]


def take_up(station: Station, given: Surrendered, sinks: Sinks) -> None:
    """Go on with everything, after what is held was written down and read again."""
    station.drain.take_up(given.unwritten)
    for channel in given.channels:
        held = msgspec.json.decode(msgspec.json.encode(channel.held), type=Held)
        station.drain.open(channel.key, channel.fd, sinks, held)


def goes_on(station: Station, program: "subprocess.Popen[bytes]") -> bool:
    return station.drain.figures().total_written > 0 or program.poll() is not None


CAPTURE = functools.partial(CaptureTransform, 1 << 20, True, True)
TEXT = (
    b"one\ntwo \x1b[31mred\x1b[0m\n" + BEGIN_TOKEN + b"cap\x1b[1mtured\n\xff\x00" + END_TOKEN + b"after\n"
    b"a line that is long" + b"." * 300 + b"\n" + BEGIN_TOKEN + b"never ended\nlast"
)


def kinds(log: Path) -> dict[str, Sinks]:
    target = LogTarget(str(log), 100, 99)
    line = LineFormat("json", "web", ProcessId("web", "web"), "stdout", 1, lambda: b"2026-11-21T17:45:44.123Z")
    return {
        "raw": Sinks(target),
        "capture": Sinks(target, transform=CAPTURE),
        "events": Sinks(target, transform=functools.partial(CaptureTransform, 0, True, False)),
        "lines": Sinks(target, format=line),
        "both": Sinks(target, transform=CAPTURE, format=line),
    }


def logged(stations: list[Station], log: Path, sinks: Sinks, pieces: list[bytes], hand_over: bool) -> object:
    """Return what becomes of pieces, with or without a new drain between any two."""
    station = another(stations)
    write_fd = station.open("out", sinks)
    said = b""
    communicated: list[bytes] = []
    try:
        for piece in pieces:
            os.write(write_fd, piece)
            if hand_over:
                given = surrendered(station)
                assert [(channel.key, channel.fd >= 0) for channel in given.channels] == [("out", True)]
                station = another(stations)
                take_up(station, given, sinks)
                station.settle()
    finally:
        os.close(write_fd)
    station.finish("out")
    station.until(lambda: station.drain.figures().channels == 0)
    for each in stations:
        for _, found in each.heard:
            said += found.said
            communicated += found.communicated
        each.heard.clear()
    return b"".join(path.read_bytes() for path in oldest_first(log)), said, communicated


@pytest.mark.parametrize("kind", ["raw", "capture", "events", "lines", "both"])
@pytest.mark.parametrize("seed", range(3))
def test_it_is_as_if_there_were_one(stations: list[Station], tmp_path: Path, kind: str, seed: int) -> None:
    chance = random.Random(seed)
    cuts = sorted(chance.sample(range(1, len(TEXT)), 8))
    pieces = [TEXT[start:end] for start, end in zip([0, *cuts], [*cuts, len(TEXT)], strict=True)]
    results = []
    for hand_over in (False, True):
        place = tmp_path / str(hand_over)
        place.mkdir()
        results.append(logged(stations, place / "log", kinds(place / "log")[kind], pieces, hand_over))
    assert results[0] == results[1]


def test_under_load_nothing_is_lost_however_often(stations: list[Station], log: Path) -> None:
    sinks = Sinks(LogTarget(str(log), 200_000, 999))
    station = first = another(stations)
    program = first.spam("out", sinks, "--lines", "60000")
    for _ in range(10):
        given = surrendered(station)
        station = another(stations)
        take_up(station, given, sinks)
        station.until(functools.partial(goes_on, station, program))
    program.wait()
    station.finish("out")
    report = check(oldest_first(log))
    assert (report.count, report.clean) == (60_000, True), report


def test_what_nobody_can_take_up_goes_to_the_log(stations: list[Station], log: Path) -> None:
    target = LogTarget(str(log))
    station = another(stations)
    write_fd = station.open("out", kinds(log)["both"])
    os.write(write_fd, BEGIN_TOKEN + b"captured")
    station.until(lambda: not pipes.waiting_bytes(write_fd))
    given = surrendered(station)
    station = another(stations)
    take_up(station, given, Sinks(target))
    os.write(write_fd, b" and more\n")
    os.close(write_fd)
    station.finish("out")
    assert log.read_bytes() == b"captured and more\n"


def test_own_writes_that_could_not_be_written_go_along(stations: list[Station], tmp_path: Path) -> None:
    missing = LogTarget(str(tmp_path / "later" / "log"))
    station = another(stations)
    station.drain.write(missing, b"one\n")
    station.drain.write(missing, b"two\n")
    given = surrendered(station, 0.1)
    assert {target for target, _ in given.unwritten} == {missing}
    assert b"".join(data for _, data in given.unwritten) == b"one\ntwo\n"
    assert station.drain.figures().total_dropped == 0
    (tmp_path / "later").mkdir()
    station = another(stations)
    station.drain.take_up(given.unwritten)
    station.drain.write(missing, b"three\n")
    station.until(lambda: Path(missing.path).exists() and Path(missing.path).read_bytes() == b"one\ntwo\nthree\n")


def test_what_is_on_its_way_to_a_file_in_trouble_goes_along_once(stations: list[Station], tmp_path: Path) -> None:
    log = tmp_path / "later" / "log"
    sinks = kinds(log)["lines"]
    station = another(stations)
    write_fd = station.open("out", sinks)
    os.write(write_fd, b"one\ntwo\nbegun")
    station.settle()
    given = surrendered(station, 0.1)
    log.parent.mkdir()
    station = another(stations)
    take_up(station, given, sinks)
    os.write(write_fd, b" and ended\n")
    os.close(write_fd)
    station.finish("out")
    text = b"".join(path.read_bytes() for path in oldest_first(log))
    assert [msgspec.json.decode(line)["msg"] for line in text.splitlines()] == ["one", "two", "begun and ended"]


def test_last_words_are_known_to_the_next_one(stations: list[Station], log: Path) -> None:
    sinks = Sinks(LogTarget(str(log)))
    station = another(stations)
    write_fd = station.open("ended", sinks)
    os.write(write_fd, b"I am gone\n")
    os.close(write_fd)
    station.until(lambda: station.drain.figures().channels == 0)
    write_fd = station.open("speaking", sinks)
    os.write(write_fd, b"I am here\n")
    station.until(lambda: log.exists() and log.read_bytes().count(b"\n") == 2)
    given = surrendered(station)
    station = another(stations)
    take_up(station, given, sinks)
    os.write(write_fd, b"still\n")
    told: list[object] = []
    station.drain.finish_listening(["ended", "speaking"], told.append)
    station.until(lambda: told)
    os.close(write_fd)
    assert told == [{"ended": b"I am gone\n", "speaking": b"I am here\nstill\n"}]


def test_who_waits_is_told_before_the_end(stations: list[Station], tmp_path: Path) -> None:
    order: list[str] = []
    station = another(stations)
    write_fd = station.open("out", Sinks(LogTarget(str(tmp_path / "missing" / "log"))))
    os.write(write_fd, b"waits\n")
    station.drain.finish(["out"], lambda: order.append("finished"))
    given: list[Surrendered] = []

    def told(all_there_is: Surrendered) -> None:
        order.append("surrendered")
        given.append(all_there_is)

    station.drain.surrender(told, 0.1)
    station.until(lambda: given)
    assert order == ["finished", "surrendered"]
    assert os.read(given[0].channels[0].fd, 100) == b"waits\n"
    os.close(given[0].channels[0].fd)
    os.close(write_fd)


def test_older_channels_of_a_key_come_first(stations: list[Station], tmp_path: Path) -> None:
    station = another(stations)
    older = station.open("out", Sinks(LogTarget(str(tmp_path / "log"))))
    newer = station.open("out", Sinks(LogTarget(str(tmp_path / "log"))))
    given = surrendered(station)
    os.write(older, b"older")
    os.write(newer, b"newer")
    texts = [os.read(channel.fd, 100) for channel in given.channels]
    assert texts == [b"older", b"newer"]
    for fd in (older, newer, *(channel.fd for channel in given.channels)):
        os.close(fd)


def test_a_line_of_several_writers_belongs_to_who_began_it(stations: list[Station], log: Path) -> None:
    sinks = Sinks(LogTarget(str(log)))
    station = another(stations)
    mine, other = station.open("mine", sinks), station.open("other", sinks)
    os.write(mine, b"I say")
    station.until(lambda: log.exists() and log.read_bytes() == b"I say")
    given = surrendered(station)
    assert [channel.held.speaks for channel in given.channels] == [True, False]
    os.write(other, b"other\n")
    os.write(mine, b" this\n")
    station = another(stations)
    take_up(station, given, sinks)
    station.until(lambda: log.read_bytes().count(b"\n") == 2)
    assert log.read_bytes() == b"I say this\nother\n"
    os.close(mine)
    os.close(other)


def test_after_it_nothing_is_taken_any_more(stations: list[Station], log: Path) -> None:
    station = another(stations)
    assert surrendered(station) == Surrendered([], [])
    read_fd, write_fd = os.pipe()
    station.drain.open("late", read_fd, Sinks())
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(read_fd)
    os.close(write_fd)
