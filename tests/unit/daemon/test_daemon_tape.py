"""The last output of a program: what is kept of it, and that two threads never see it torn."""

import threading

from tmd.daemon.tape import KEPT_BYTES, SCREEN_BYTES, Tape


def tape() -> Tape:
    return Tape(lambda: None)


def test_what_was_taken_is_read_from_any_position() -> None:
    kept = tape()
    for piece in (b"one ", b"two ", b"three"):
        kept.take(piece)
    assert kept.end == 13
    assert kept.read(0, 100) == b"one two three"
    assert kept.read(4, 3) == b"two"
    assert kept.read(13, 10) == b""
    kept.take(b"!" * 5000)
    assert kept.read(8, 10) == b"three!!!!!"


def test_only_the_last_is_kept() -> None:
    kept = tape()
    for number in range(3000):
        kept.take(b"%04d" % number * 250)
    assert kept.read(0, 10) is None
    assert kept.read(kept.end - KEPT_BYTES + 5000, 10) is not None
    screen, position = kept.screenful()
    assert position == kept.end == 3_000_000
    assert SCREEN_BYTES - 10_000 < len(screen) <= SCREEN_BYTES
    assert screen.endswith(b"2999")


def test_the_modes_outlive_what_set_them() -> None:
    kept = tape()
    kept.take(b"\x1b[?1049h\x1b[?1h")
    for _ in range(1000):
        kept.take(b"a line that is long enough to fill the tape in the end\r\n" * 20)
    screen, _ = kept.screenful()
    assert screen.startswith(b"\x1b[?1049h\x1b[?1ha line that"), "and it begins with a whole line"
    kept.take(b"\x1b[?1049l")
    for _ in range(1000):
        kept.take(b"x\r\n" * 300)
    assert kept.screenful()[0].startswith(b"\x1b[?1hx")


def test_an_empty_one() -> None:
    assert tape().screenful() == (b"", 0)
    assert tape().read(0, 10) == b""


def test_wakes_once_for_who_asked() -> None:
    woken: list[int] = []
    kept = Tape(lambda: woken.append(kept.end))
    kept.take(b"a")
    kept.rouse_me()
    kept.take(b"b")
    kept.take(b"c")
    assert woken == [2]


def test_two_threads() -> None:
    kept = tape()
    count = 200_000

    def write() -> None:
        for number in range(count):
            kept.take(b"%07d\n" % number)

    writer = threading.Thread(target=write)
    writer.start()
    position = 0
    while position < count * 8:
        data = kept.read(position, 65536)
        if data is None:
            data, end = kept.screenful()
            position = end - len(data)
        expected = b"".join(b"%07d\n" % number for number in range(position // 8, (position + len(data)) // 8 + 1))
        assert data == expected[position % 8 :][: len(data)]
        position += len(data)
    writer.join()
    assert position == kept.end == count * 8
