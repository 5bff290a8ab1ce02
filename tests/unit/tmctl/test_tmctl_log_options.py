"""What is typed behind `logs`, and which logs it means."""

import pytest

from tmctl.log_lines import Entry
from tmctl.log_options import Asked, asked_for
from tmctl.log_sources import Source, chosen, sources_of
from tmctl.render import Info, info_name
from tmctl.session import Misused
from tmctl.watching import LOGS_OPTIONS

NOW = 1795262400.0


def test_without_words_the_last_lines_of_all() -> None:
    assert asked_for([], NOW) == Asked()
    assert asked_for(["--all", "web"], NOW).names == ()
    assert asked_for(["all"], NOW).names == ()


def test_options_in_any_spelling() -> None:
    for words in (["-fn", "5"], ["-f", "-n5"], ["-fn5"], ["--follow", "--lines=5"], ["-n", "5", "-f"]):
        asked = asked_for([*words, "web"], NOW)
        assert (asked.follow, asked.lines, asked.names) == (True, 5, ("web",)), words
    assert asked_for(["-ft"], NOW)[1:3] == (True, "both")
    assert asked_for(["--stderr"], NOW).streams == "stderr"
    assert asked_for(["--stderr", "--stdout"], NOW).streams == "both"
    assert asked_for(["-n", "all"], NOW).lines is None
    assert asked_for(["--no-prefix", "-t"], NOW)[-2:] == (False, True)


def test_what_chooses_lines_shows_all_that_are_chosen() -> None:
    assert asked_for(["--since", "10m"], NOW)[3:5] == (None, NOW - 600)
    assert asked_for(["--grep", "x", "-n", "3"], NOW).lines == 3


def test_lines_are_chosen_by_pattern_and_time() -> None:
    asked = asked_for(["--grep", "no.such", "-i", "--since", "10m", "--until", "1m"], NOW)
    assert asked.wants(Entry("No such order", "", NOW - 300))
    assert not asked.wants(Entry("No such order", "", NOW - 601))
    assert not asked.wants(Entry("No such order", "", NOW))
    assert not asked.wants(Entry("something", "", NOW - 300))
    assert not asked.wants(Entry("no such order", ""))
    assert asked_for(["--since", "10m"], NOW).wants(Entry("x", ""), NOW)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-n"], "-n needs a value"),
        (["-n", "many"], "cannot show 'many' lines"),
        (["-n", "9999999999"], "cannot show"),
        (["-n", "1" * 5000], f"cannot show '{'1' * 40}...' lines"),
        (["--since", "soon"], "cannot understand --since: 'soon' is no time (10m"),
        (["--grep", "("], "cannot understand --grep '('"),
        (["-i"], "-i belongs to --grep"),
        (["-f", "--until", "10m"], "exclude each other"),
        (["--colour"], "bad argument --colour"),
        (["-x"], "bad argument -x"),
        (["--all=yes"], "bad argument"),
        (["web", "stderr"], "say --stdout or --stderr"),
    ],
)
def test_other_words_are_misuse(words: list[str], said: str) -> None:
    with pytest.raises(Misused) as misuse:
        asked_for(words, NOW)
    assert said in misuse.value.text
    assert misuse.value.status == 2


def test_all_options_that_are_offered_exist() -> None:
    values = {"-n": "3", "--lines": "3", "--since": "1h", "--until": "1h", "--grep": "x"}
    for option in LOGS_OPTIONS:
        words = [option, values[option]] if option in values else [option]
        asked_for([*words, *(["--grep", "x"] if option in ("-i", "--ignore-case") else [])], NOW)


def info(group: str, name: str, stdout: str, stderr: str = "") -> Info:
    return {"group": group, "name": name, "stdout_logfile": stdout, "stderr_logfile": stderr}


EVERYBODY = [
    info("web", "web", "/l/web.out", "/l/web.err"),
    info("shop", "worker_00", "/l/shop", "/l/shop"),
    info("shop", "worker_01", "/l/shop", "/l/shop"),
    info("quiet", "quiet", ""),
]


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ([], ["web", "shop:worker_00", "shop:worker_01", "quiet"]),
        (["web"], ["web"]),
        (["web:web"], ["web"]),
        (["web:*"], ["web"]),
        (["shop"], ["shop:worker_00", "shop:worker_01"]),
        (["shop:*"], ["shop:worker_00", "shop:worker_01"]),
        (["shop:*_01", "web"], ["web", "shop:worker_01"]),
        (["*o*"], ["shop:worker_00", "shop:worker_01"]),
        (["shop:worker_0[0-5]"], ["shop:worker_00", "shop:worker_01"]),
    ],
)
def test_names_groups_and_wildcards(names: list[str], found: list[str]) -> None:
    infos, unknown = chosen(EVERYBODY, names)
    assert [info_name(one) for one in infos] == found
    assert unknown == []


def test_names_that_mean_nothing_are_told() -> None:
    assert chosen(EVERYBODY, ["nope", "web", "x*"])[1] == ["nope", "x*"]


def test_each_file_is_one_log() -> None:
    web, shop = sources_of(EVERYBODY, EVERYBODY, "both")[:2], sources_of(EVERYBODY, EVERYBODY, "both")[2:]
    assert [(one.name, one.stream) for one in web] == [("web", "stdout"), ("web", "stderr")]
    assert [(one.name, one.shared, one.mixed) for one in shop] == [("shop:worker_00", False, True)]
    assert shop[0].processes == ("shop:worker_00", "shop:worker_01")


def test_of_a_shared_file_only_lines_of_those_who_were_meant() -> None:
    (log,) = sources_of(EVERYBODY[1:2], EVERYBODY, "stderr")
    assert log.shared
    assert log.holds(Entry("", "", 1.0, "stderr", "shop:worker_00"), "stderr")
    assert not log.holds(Entry("", "", 1.0, "stderr", "shop:worker_01"), "stderr")
    assert not log.holds(Entry("", "", 1.0, "stdout", "shop:worker_00"), "stderr")
    assert log.holds(Entry("nobody knows whose", ""), "stderr")


def test_any_name_can_be_asked_for() -> None:
    assert Source("a b/ü:50%", "stdout", "", ()).url_path == "/logtail/a%20b%2F%C3%BC:50%25/stdout"
