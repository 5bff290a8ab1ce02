"""The last ends of each process in bounded memory."""

from typing import Any

from tmd.core.ends import End
from tmd.daemon.rings import KEPT_ENDS, OLDER_WORDS_BYTES, Rings
from tmd.wire.names import ProcessId

A = ProcessId("a", "a")


def end(at: float, **facts: Any) -> End:
    return End(at=at, **{"how": "exited", "code": int(at), **facts})


def process(number: int) -> ProcessId:
    return ProcessId("g", f"p{number}")


def words(rings: Rings) -> int:
    return sum(len(end.stdout) + len(end.stderr) for id_ in rings for end in rings.get(id_))


def test_the_newest_come_first_and_no_more_than_so_many() -> None:
    rings = Rings()
    for at in range(1, 30):
        rings.put(A, end(at))
    assert [kept.at for kept in rings.get(A)] == list(range(29, 29 - KEPT_ENDS, -1))
    assert rings.get(process(1)) == []
    assert list(rings) == [A]


def test_an_end_of_the_same_time_takes_the_place_of_the_earlier_version() -> None:
    rings = Rings()
    rings.put(A, end(1, more=4, since=0.5))
    rings.put(A, end(2))
    rings.put(A, end(1, oom="yes"))
    assert rings.get(A) == [end(2), end(1, oom="yes", more=4, since=0.5)]


def test_what_is_let_go_of_is_counted_where_it_is_like_its_successor() -> None:
    rings = Rings()
    for at in range(1, KEPT_ENDS + 4):
        rings.put(A, end(at, code=7))
    assert rings.get(A)[-1] == end(4, code=7, more=3, since=1)
    rings.put(A, end(50, code=8))
    assert rings.get(A)[-1] == end(5, code=7, more=4, since=1)


def test_older_ends_keep_less_of_the_output() -> None:
    rings = Rings()
    rings.put(A, end(1, stderr=b"x" * 2000 + b"end"))
    assert len(rings.get(A)[0].stderr) == 2003
    rings.put(A, end(2))
    assert rings.get(A)[1].stderr == (b"x" * 2000 + b"end")[-OLDER_WORDS_BYTES:]


def test_output_of_all_is_bounded() -> None:
    rings = Rings(words_bytes=10_000)
    for number in range(200):
        for at in range(3):
            rings.put(process(number), end(at, stdout=b"o" * 2000, stderr=b"e" * 2000))
    assert words(rings) <= 2 * 10_000
    newest = rings.get(process(199))[0]
    assert 0 < len(newest.stderr) <= 50


def test_many_processes_have_fewer_ends_each_but_one_at_least() -> None:
    rings = Rings(kept_in_all=100)
    for number in range(300):
        for at in range(KEPT_ENDS):
            rings.put(process(number), end(at))
    kept = [len(rings.get(process(number))) for number in range(300)]
    assert min(kept) >= 1
    assert kept[-1] == 1
    assert sum(kept) <= 300 + 100


def test_a_process_is_forgotten_as_a_whole() -> None:
    rings = Rings()
    rings.put(A, end(1))
    rings.forget(A)
    rings.forget(A)
    assert rings.get(A) == []
    assert list(rings) == []
