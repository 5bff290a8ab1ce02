"""What is left out when time is short."""

from bench.thrift import Pending, dear

TMD, PEER, LIMIT = (Pending("scale", name, 1, 4.5) for name in ("tmd", "supervisor", "limit"))
PM2, CIRCUS = Pending("scale", "pm2", 1, 29.5), Pending("scale", "circus", 1, 9.5)
OFTEN = Pending("crash", "s6", 3, 9.5)


def test_nothing_while_there_is_time_for_all() -> None:
    assert dear([TMD, PEER, LIMIT, PM2], 45.0) == []


def test_first_the_longest_turn_of_a_peer() -> None:
    assert dear([TMD, PEER, LIMIT, CIRCUS, PM2], 54.9) == [PM2]
    assert dear([TMD, PEER, LIMIT, CIRCUS, PM2], 24.0) == [PM2, CIRCUS]


def test_no_more_turns_than_have_to() -> None:
    assert dear([OFTEN], 29.0) == [OFTEN._replace(turns=1)]
    assert dear([OFTEN], 20.0) == [OFTEN._replace(turns=1)]
    assert dear([OFTEN], 9.0) == [OFTEN]


def test_those_whose_ratios_count_stay_together_and_go_last() -> None:
    kept = Pending("crash", "tmd", 1, 1.0)
    assert dear([kept, TMD, PEER, LIMIT, CIRCUS], 14.0) == [CIRCUS, TMD, PEER, LIMIT]
    assert dear([kept, TMD, PEER, LIMIT], 0.0) == [TMD, PEER, LIMIT, kept]
