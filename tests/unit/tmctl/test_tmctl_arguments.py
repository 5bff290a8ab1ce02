"""The command line of tmctl."""

import pytest

from tests.unit.tmctl.conftest import Tmctl
from tests.unit.tmctl.fake_daemon import FakeDaemon
from tmctl.arguments import BadArguments, parse_arguments


@pytest.mark.parametrize(
    ("words", "flags", "rest"),
    [
        ([], {}, []),
        (["status", "-x"], {}, ["status", "-x"]),
        (["-s", "u", "status"], {"serverurl": "u"}, ["status"]),
        (["-su", "status"], {"serverurl": "u"}, ["status"]),
        (["-iu", "me", "pid"], {"interactive": "", "username": "me"}, ["pid"]),
        (["--serverurl=u=v"], {"serverurl": "u=v"}, []),
        (["--server", "u"], {"serverurl": "u"}, []),
        (["--history-file", "h"], {"history_file": "h"}, []),
        (["--", "-s"], {}, ["-s"]),
        (["--json", "status"], {"json": ""}, ["status"]),
        (["-?"], {"help": ""}, []),
        (["-h"], {"help": ""}, []),
    ],
)
def test_flags_end_at_the_command(words: list[str], flags: dict[str, str], rest: list[str]) -> None:
    assert parse_arguments(words) == (flags, rest)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["-x"], "option -x not recognized"),
        (["--nonsense"], "option --nonsense not recognized"),
        (["-s"], "option -s requires argument"),
        (["--serverurl"], "option --serverurl requires argument"),
        (["--json=1"], "option --json must not have an argument"),
        (["--h", "x"], "option --h not a unique prefix"),
        (["-s", "a", "-s", "b"], "conflicting command line option '-s'"),
    ],
)
def test_a_wrong_command_line_is_refused(words: list[str], text: str) -> None:
    with pytest.raises(BadArguments, match="^" + text):
        parse_arguments(words)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["-x"], "Error: option -x not recognized"),
        (["-s", "foo", "status"], "Error: invalid value for -s 'foo': value 'foo' is not a URL"),
        (["-s", "ftp://x", "status"], "Error: invalid value for -s 'ftp://x': value 'ftp://x' is not a URL of a known"),
        (["-s", "http://x:0", "status"], "Error: invalid value for -s 'http://x:0'"),
        (["--color=blue", "status"], "Error: invalid value for --color 'blue': not one of auto, always, never"),
        (["-c", "/nowhere.conf", "status"], "Error: could not find config file /nowhere.conf"),
    ],
)
def test_usage_errors_go_to_stderr_and_end_with_2(words: list[str], text: str, tmctl: Tmctl) -> None:
    ran = tmctl(*words)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(text)
    assert ran.err.endswith("\nFor help, use tmctl -h\n")


@pytest.mark.parametrize("flag", ["-h", "-?", "--help"])
def test_help_shows_flags_commands_codes_and_examples(flag: str, tmctl: Tmctl) -> None:
    ran = tmctl(flag)
    assert (ran.code, ran.err) == (0, "")
    for words in ("usage: tmctl", "--serverurl URL", "maintail", "TMCTL_PASSWORD", "exit codes:", "tmctl restart web"):
        assert words in ran.out


def test_version_is_the_clients(tmctl: Tmctl) -> None:
    from tmctl import __version__

    assert tmctl("--version").outcome == (f"{__version__}\n", 0)


def test_several_words_in_one_argument_are_several_words(fake: FakeDaemon, tmctl: Tmctl) -> None:
    assert tmctl("-s", fake.url, "signal USR1 web").outcome == ("web: signalled\n", 0)
    assert ("supervisor.signalProcess", ("web", "USR1")) in fake.calls


def test_interactive_with_a_command_runs_it_and_ends(fake: FakeDaemon, tmctl: Tmctl) -> None:
    assert tmctl("-i", "-s", fake.url, "pid").outcome == ("4242\n", 0)
