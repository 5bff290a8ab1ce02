"""The command line of tmctl."""

import sys
from pathlib import Path

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
        (["--complete", "-s", "u", "stop", "--", ""], {"complete": "", "serverurl": "u"}, ["stop", "--", ""]),
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


def test_under_supervisors_name_the_help_is_written_as_there(
    tmctl: Tmctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("supervisorctl", "supervisorctl.py"):
        monkeypatch.setattr(sys, "argv", [str(tmp_path / name)])
        ran = tmctl("-?")
        assert ran.out.startswith("supervisorctl -- control applications")
        assert "\n-i/--interactive -- start an interactive" in ran.out
        assert "\n-c/--configuration FILE -- " in ran.out
        assert "supervisorctl restart web" in ran.out
    assert "tmctl -- talk to" in tmctl_help(monkeypatch, tmctl)


def tmctl_help(monkeypatch: pytest.MonkeyPatch, tmctl: Tmctl) -> str:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/tmctl"])
    return tmctl("-h").out


def test_version_is_the_clients(tmctl: Tmctl) -> None:
    from tmctl import __version__

    assert tmctl("--version").outcome == (f"{__version__}\n", 0)


def test_several_words_in_one_argument_are_several_words(fake: FakeDaemon, tmctl: Tmctl) -> None:
    assert tmctl("-s", fake.url, "signal USR1 web").outcome == ("web: signalled\n", 0)
    assert ("supervisor.signalProcess", ("web", "USR1")) in fake.calls


@pytest.mark.parametrize(
    ("arguments", "out", "call"),
    [
        (["signal", "USR1 web"], "web: signalled\n", ("supervisor.signalProcess", ("web", "USR1"))),
        (["start batch"], "batch: started\n", ("supervisor.startProcess", ("batch",))),
        (["pid web"], "1004\n", ("supervisor.getProcessInfo", ("web",))),
        ([" pid  web "], "1004\n", ("supervisor.getProcessInfo", ("web",))),
    ],
)
def test_words_are_joined_by_blanks_as_deployment_tools_expect(
    arguments: list[str], out: str, call: object, fake: FakeDaemon, tmctl: Tmctl
) -> None:
    assert tmctl("-s", fake.url, *arguments).outcome == (out, 0)
    assert call in fake.calls


def test_status_of_one_name_in_one_word(fake: FakeDaemon, tmctl: Tmctl) -> None:
    ran = tmctl("-s", fake.url, "status web")
    assert ran.outcome == (f"{'web':<33}RUNNING   pid 1004, uptime 1:02:03\n", 0)


def test_every_flag_of_supervisors_client_is_taken(fake: FakeDaemon, tmctl: Tmctl, tmp_path: Path) -> None:
    conf = tmp_path / "s.conf"
    conf.write_text("[supervisorctl]\nserverurl=unix:///nowhere\n")
    fake.password = "secret"
    credentials = ["--username", "me", "--password=secret"]
    history = ["-r", str(tmp_path / "history")]
    assert tmctl("-c", str(conf), "-s", fake.url, "-ume", "-psecret", *history, "-i", "pid").outcome == ("4242\n", 0)
    long = ["--configuration", str(conf), f"--serverurl={fake.url}", *credentials, "--history_file=h", "--interactive"]
    assert tmctl(*long, "pid").outcome == ("4242\n", 0)


def test_interactive_with_a_command_runs_it_and_ends(fake: FakeDaemon, tmctl: Tmctl) -> None:
    assert tmctl("-i", "-s", fake.url, "pid").outcome == ("4242\n", 0)
