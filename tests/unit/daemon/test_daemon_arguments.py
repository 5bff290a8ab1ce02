"""The command line of tmd."""

import pytest

from tmd.arguments import FLAGS, Arguments, UsageError, parse, usage


def test_nothing_said() -> None:
    assert parse([]) == Arguments()


@pytest.mark.parametrize("words", [["-c", "a.ini"], ["--configuration", "a.ini"], ["--configuration=a.ini"], ["a.ini"]])
def test_the_configuration_by_flag_or_position(words: list[str]) -> None:
    assert parse(words).configuration == "a.ini"


@pytest.mark.parametrize("flag", ["-n", "--nodaemon", "--no-daemon"])
def test_foreground(flag: str) -> None:
    assert parse([flag]).overrides == {"nodaemon": "true"}


@pytest.mark.parametrize(
    ("letter", "word", "option"),
    [
        ("-u", "--user", "user"),
        ("-m", "--umask", "umask"),
        ("-d", "--directory", "directory"),
        ("-l", "--logfile", "logfile"),
        ("-y", "--logfile_maxbytes", "logfile_maxbytes"),
        ("-z", "--logfile_backups", "logfile_backups"),
        ("-e", "--loglevel", "loglevel"),
        ("-j", "--pidfile", "pidfile"),
        ("-i", "--identifier", "identifier"),
        ("-q", "--childlogdir", "childlogdir"),
        ("-a", "--minfds", "minfds"),
    ],
)
def test_flags_that_beat_the_file(letter: str, word: str, option: str) -> None:
    assert parse([letter, "value"]).overrides == {option: "value"}
    assert parse([word, "value"]).overrides == {option: "value"}
    assert parse([letter, "value"]).flags == {option: letter}


@pytest.mark.parametrize(("letter", "option"), [("-s", "silent"), ("-k", "nocleanup"), ("-t", "strip_ansi")])
def test_switches(letter: str, option: str) -> None:
    assert parse([letter]).overrides == {option: "true"}


def test_debug_is_a_log_level() -> None:
    assert parse(["--debug"]).overrides == {"loglevel": "debug"}


@pytest.mark.parametrize(
    ("words", "action", "subject"),
    [
        (["-v"], "version", ""),
        (["--version"], "version", ""),
        (["-h"], "help", ""),
        (["-?"], "help", ""),
        (["--help", "anything"], "help", ""),
        (["--check-config", "a.ini"], "check-config", ""),
        (["--sample"], "sample", "ini"),
        (["--sample", "yaml"], "sample", "yaml"),
        (["--explain", "stopsignal"], "explain", "stopsignal"),
        (["--shell", "-c", "a.ini"], "shell", ""),
        (["--install-names", "/usr/local/bin"], "install-names", "/usr/local/bin"),
        (["--install-names=bin"], "install-names", "bin"),
    ],
)
def test_actions(words: list[str], action: str, subject: str) -> None:
    arguments = parse(words)
    assert (arguments.action, arguments.subject) == (action, subject)


def test_a_file_for_a_profile() -> None:
    found = parse(["--profile", "tmd.prof"])
    assert (found.profile_file, found.profile) == ("tmd.prof", ())
    both = parse(["--profile=calls", "--profile_options=cumulative"])
    assert (both.profile_file, both.profile) == ("calls", ("cumulative",))


def test_an_option_cut_short_is_what_supervisor_takes_it_for() -> None:
    found = parse(["--profile", "cumulative,calls"])
    assert (found.profile_file, found.profile) == ("", ("cumulative", "calls"))
    assert parse(["--profile", "./calls"]).profile_file == "./calls"


def test_profile_orders() -> None:
    assert parse(["--profile_options", "cumulative,calls"]).profile == ("cumulative", "calls")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["-n", "-n"], "conflicting command line option '-n'"),
        (["-n", "--nodaemon"], "conflicting command line option '--nodaemon'"),
        (["--bogus"], "option --bogus not recognized"),
        (["-c"], "option -c requires argument"),
        (["a.ini", "x"], "positional arguments are not supported: ['x']"),
        (["-c", "a.ini", "x"], "positional arguments are not supported: ['x']"),
        (["--profile_options", "speed"], "unknown order 'speed'"),
    ],
)
def test_refusals(words: list[str], text: str) -> None:
    with pytest.raises(UsageError) as refusal:
        parse(words)
    assert text in str(refusal.value)


def test_the_help_page_has_every_flag() -> None:
    for page in (usage(), usage("supervisord")):
        for flag in FLAGS:
            assert f"--{flag.long}" in page
            assert flag.help in page
        assert max(map(len, page.splitlines())) <= 120


def test_the_help_page_is_in_columns() -> None:
    page = usage()
    assert page.startswith("tmd -- run a set of applications")
    assert "  -l, --logfile FILENAME        use FILENAME as the daemon's own log\n" in page
    assert "      --shell  " in page


def test_under_supervisors_name_flags_are_written_as_there() -> None:
    page = usage("supervisord")
    assert page.startswith("supervisord -- run a set of applications")
    assert "\n-l/--logfile FILENAME -- use FILENAME as the daemon's own log\n" in page
    assert "\n-h/-?/--help -- print this\n" in page
    assert "supervisord -n -c" in page


def test_whether_what_outlived_a_daemon_is_taken_back() -> None:
    assert parse([]).adopt
    assert not parse(["--no-adopt", "-c", "a.ini"]).adopt
