"""The daemon's own log: what stands in it is what was written, and obeyed by no terminal."""

from tmd.daemon.mainlog import MainLog
from tmd.wire.levels import Level


def written(level: Level, text: str) -> bytes:
    lines: list[bytes] = []
    MainLog(Level.BLAT, [lambda _level, line, _text: lines.append(line)], lambda: 0.5).log(level, text)
    return b"".join(lines).partition(f" {level.name} ".encode())[2]


def test_control_characters_in_a_line_are_spelled_out() -> None:
    assert written(Level.WARN, "gave up: bad\x1b[31m\rname") == b"gave up: bad^[[31m^Mname\n"


def test_a_stamp_tells_the_millisecond_of_each_line() -> None:
    times = iter([1.0, 1.0004, 1.125, 1.9999, 2.0, 61.25, 2.0])
    lines: list[bytes] = []
    log = MainLog(Level.INFO, [lambda _level, line, _text: lines.append(line)], lambda: next(times))
    for _ in range(7):
        log.info("x")
    found = [line.partition(b" INFO")[0].rpartition(b":")[2].decode() for line in lines]
    assert found == ["01,000", "01,000", "01,125", "01,999", "02,000", "01,250", "02,000"]


def test_line_breaks_and_tabs_stay() -> None:
    assert written(Level.ERRO, "one\n\ttwo") == b"one\n\ttwo\n"


def test_output_that_is_copied_stays_as_it_is() -> None:
    assert written(Level.DEBG, "'cat' stdout output:\n\x1b[1mbold") == b"'cat' stdout output:\n\x1b[1mbold\n"


def test_what_is_no_character_is_escaped() -> None:
    assert written(Level.INFO, "a\udcffb") == b"a\\udcffb\n"
