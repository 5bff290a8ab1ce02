"""The command `logs` against a fake daemon, and how lines look on a terminal."""

import io
import json
import re

import pytest

from tests.unit.tmctl.conftest import Tmctl
from tests.unit.tmctl.fake_daemon import FakeDaemon, fault
from tmctl.log_lines import Entry, parse_line
from tmctl.log_options import Asked, asked_for
from tmctl.log_printing import Printer, decoded, record
from tmctl.log_sources import Source
from tmctl.output import Output

WEB = Source("web", "stdout", "/l/web", ("web",))
LONG = Source(
    "shop:worker_0000000000000000000000000000", "stderr", "/l/s", ("shop:worker_0000000000000000000000000000",)
)


class Screen(io.TextIOWrapper):
    """A terminal that only remembers."""

    def __init__(self) -> None:
        self.bytes = io.BytesIO()
        super().__init__(self.bytes, encoding="utf-8", write_through=True)

    def isatty(self) -> bool:
        return True

    @property
    def text(self) -> str:
        return self.bytes.getvalue().decode()


def log_of(fake: FakeDaemon, name: str, text: str) -> None:
    next(each for each in fake.processes if each.namespec == name).log = text


def gone_at_the_second_look(fake: FakeDaemon) -> None:
    """Have a client that follows end: its stream does, and then the server has nothing to say."""

    def fails() -> None:
        if fake.calls.count(("supervisor.getPID", ())) > 1:
            raise fault("FAILED")

    fake.before["supervisor.getPID"] = fails


def test_the_ends_of_several_logs_each_line_with_its_name(fake: FakeDaemon, tmctl: Tmctl) -> None:
    ran = tmctl("-s", fake.url, "logs", "--stdout", "-n", "1", "web", "api:*")
    lines = [
        "api:api_00 | and goes on",
        "api:api_01 | and goes on",
        "api:api_02 | and goes on",
        "web        | and goes on",
    ]
    assert ran.outcome == ("\n".join([*lines, ""]), 0)


def test_both_streams_are_told_apart(fake: FakeDaemon, tmctl: Tmctl) -> None:
    assert tmctl("-s", fake.url, "logs", "web").out == "web out | web says hello\nweb out | and goes on\n"
    fake.processes[-1].stderr_logfile = ""
    assert tmctl("-s", fake.url, "logs", "web").out == "web | web says hello\nweb | and goes on\n"


def test_logs_that_tell_times_are_in_order_of_time(fake: FakeDaemon, tmctl: Tmctl) -> None:
    log_of(fake, "web", "2026-11-21T12:00:00.100Z web stdout: first\n2026-11-21T12:00:02.000Z web stdout: third\n")
    batch = {"ts": "2026-11-21T12:00:01.000Z", "program": "batch", "group": "batch", "process": "batch"}
    log_of(fake, "batch", json.dumps({**batch, "stream": "stdout", "pid": 1, "msg": "second"}, separators=(",", ":")))
    ran = tmctl("-s", fake.url, "logs", "web", "batch", "--stdout")
    assert ran.out.splitlines() == ["web   | first", "batch | second", "web   | third"]
    ran = tmctl("-s", fake.url, "logs", "web", "batch", "--stdout", "-t", "-n1")
    assert ran.out.splitlines() == [
        "batch | 2026-11-21T12:00:01.000Z second",
        "web   | 2026-11-21T12:00:02.000Z third",
    ]
    ran = tmctl("-s", fake.url, "logs", "web", "--no-prefix", "--stdout", "-n1")
    assert ran.out == "2026-11-21T12:00:02.000Z web stdout: third\n"
    ran = tmctl("-s", fake.url, "logs", "web", "--since", "2026-11-21T12:00:01Z", "--until", "2026-11-21T12:00:03Z")
    assert ran.out == "web out | third\n"


def test_a_log_without_times_is_not_guessed_at(fake: FakeDaemon, tmctl: Tmctl) -> None:
    ran = tmctl("-s", fake.url, "logs", "web", "--since", "10m")
    assert ran.out == ""
    assert ran.err == (
        "web: --since cannot choose lines of a log that has no times: nothing of it is shown"
        " (set log_format: prefix or json)\n"
    )


def test_grep_says_by_its_status_whether_there_was_any(fake: FakeDaemon, tmctl: Tmctl) -> None:
    assert tmctl("-s", fake.url, "logs", "--stdout", "--grep", "BATCH says", "-i").outcome == (
        "batch      | batch says hello\n",
        0,
    )
    assert tmctl("-s", fake.url, "logs", "--grep", "no such line").outcome == ("", 1)


def test_as_json(fake: FakeDaemon, tmctl: Tmctl) -> None:
    log_of(fake, "web", "2026-11-21T12:00:00.100Z web stdout: first\n\x1b[31mred\n")
    assert tmctl("-s", fake.url, "logs", "web", "--json").document == {
        "lines": [
            {"name": "web", "stream": "stdout", "at": "2026-11-21T12:00:00.100Z", "text": "first"},
            {"name": "web", "stream": "stdout", "at": None, "text": "\x1b[31mred"},
        ]
    }
    assert tmctl("-s", fake.url, "logs", "--json", "--grep", "nothing").document == {"lines": []}


def test_unknown_names_do_not_hide_known_ones(fake: FakeDaemon, tmctl: Tmctl) -> None:
    assert tmctl("-s", fake.url, "logs", "-n1", "--stdout", "nope", "web").outcome == (
        "nope: ERROR (no such process)\nweb | and goes on\n",
        1,
    )


def test_a_log_that_cannot_be_read_is_told(fake: FakeDaemon, tmctl: Tmctl) -> None:
    fake.stop_fault["web"] = "FAILED"
    assert tmctl("-s", fake.url, "logs", "web").outcome == ("web: ERROR (cannot read its log)\n", 1)
    fake.stop_fault["web"] = "NO_FILE"
    assert tmctl("-s", fake.url, "logs", "web").outcome == ("", 0)


def test_as_much_of_a_log_is_read_as_is_needed(fake: FakeDaemon, tmctl: Tmctl) -> None:
    log_of(fake, "web", "".join(f"line {number}\n" for number in range(100_000)))
    ran = tmctl("-s", fake.url, "logs", "web", "--stdout", "-n", "3000")
    assert ran.out.splitlines() == [f"web | line {number}" for number in range(97_000, 100_000)]
    sizes = [params[1] for name, params in fake.calls if name == "supervisor.readProcessStdoutLog"]
    assert sizes == [-16384, -131072]
    ran = tmctl("-s", fake.url, "logs", "web", "--stdout", "--grep", "line 7$")
    assert ran.out == "web | line 7\n"


def test_of_a_tmd_the_bytes_come_as_they_are(own_fake: FakeDaemon, tmctl: Tmctl) -> None:
    log_of(own_fake, "web", "".join(f"line {number}\n" for number in range(10_000)) + "\x1b[31m\x01é")
    ran = tmctl("-s", own_fake.url, "logs", "web", "--stdout", "-n", "2")
    assert ran.out == "web | line 9999\nweb | \x1b[31m\x01é\n"
    assert tmctl("-s", own_fake.url, "logs", "web", "--stdout", "-n", "all").out.count("\n") == 10_001
    assert "supervisor.readProcessStdoutLog" not in own_fake.methods_called()


def test_of_one_endless_line_its_end(fake: FakeDaemon, tmctl: Tmctl) -> None:
    log_of(fake, "web", "x" * 9_000_000 + "end")
    ran = tmctl("-s", fake.url, "logs", "web", "--stdout")
    assert re.fullmatch(r"web \| \(cut\) … x{65533}end\n", ran.out)


def test_a_very_long_last_line_hides_nothing_before_it(fake: FakeDaemon, tmctl: Tmctl) -> None:
    at = "2026-11-21T12:00:0{}.000Z web stdout: "
    log_of(fake, "web", f"{at.format(1)}a needle\n{at.format(2)}{'x' * 9_000_000}end\n")
    logs = ("-s", fake.url, "logs", "web", "--stdout")
    assert re.fullmatch(r"web \| a needle\nweb \| \(cut\) … x{65532}end\n", tmctl(*logs).out)
    assert re.fullmatch(r"web \| \(cut\) … x{65532}end\n", tmctl(*logs, "-n", "1").out)
    assert tmctl(*logs, "--grep", "needle").out == "web | a needle\n"
    assert tmctl(*logs, "--grep", "needle", "-n", "1").out == "web | a needle\n"
    since = tmctl(*logs, "--since", "2026-11-21T12:00:01.500Z")
    assert since.out.startswith("web | xxx")
    assert since.err == ""


def test_wrong_words_show_the_help(fake: FakeDaemon, tmctl: Tmctl) -> None:
    ran = tmctl("-s", fake.url, "logs", "--since", "later")
    assert ran.code == 2
    assert ran.out.startswith("Error: cannot understand --since: 'later' is no time")
    assert "logs -f [NAME...]" in ran.out
    assert tmctl("-s", fake.url, "logs", "--grep", "a b").code == 1, "a pattern may have blanks"


def test_following_shows_what_comes(fake: FakeDaemon, tmctl: Tmctl) -> None:
    fake.streams = {"/logtail/web/stdout": [b"there before\nhalf ", b"a line\nunfinished"]}
    gone_at_the_second_look(fake)
    fake.stream_stays_open.set()
    ran = tmctl("-s", fake.url, "logs", "-f", "web", "--stdout")
    assert ran.out.splitlines()[:2] == ["web | there before", "web | half a line"]
    assert ran.out.splitlines()[-1] == "error: FAILED", "the stream ended, and the server was asked why"


@pytest.mark.parametrize("end", ["end", "end\n"])
def test_following_begins_with_the_end_of_a_very_long_last_line(own_fake: FakeDaemon, tmctl: Tmctl, end: str) -> None:
    at = "2026-11-21T12:00:0{}.000Z web stdout: "
    log_of(own_fake, "web", f"{at.format(1)}a needle\n{at.format(2)}b needle\n{'x' * 9_000_000}{end}")
    gone_at_the_second_look(own_fake)

    def shown(*words: str) -> list[str]:
        own_fake.calls.clear()
        return tmctl("-s", own_fake.url, "logs", "-f", "web", "--stdout", *words).out.splitlines()[:-1]

    needles = ["web | a needle", "web | b needle"]
    assert shown()[:-1] == needles
    assert re.fullmatch(r"web \| \(cut\) … x{65532,65533}end", shown()[-1])
    assert len(shown("-n", "1")) == 1
    assert shown("--grep", "needle") == needles
    assert shown("--grep", "needle", "-n", "1") == needles[1:]
    assert shown("--since", "2026-11-21T12:00:01.500Z") == needles[1:]


def test_too_many_are_not_followed(fake: FakeDaemon, tmctl: Tmctl) -> None:
    template = fake.processes[0]
    fake.processes = [type(template)("many", f"p{number}", "RUNNING", pid=1) for number in range(51)]
    ran = tmctl("-s", fake.url, "logs", "-f")
    assert ran.code == 1
    assert ran.out.startswith("ERROR: cannot follow 102 logs at once: at most 100")


# -- how lines look --


def shown(line: bytes, *, words: str = "", colour: bool = False, raw: bool = False, source: Source = WEB) -> str:
    screen = Screen()
    printer = Printer(Output(screen, screen, colour=colour, raw=raw), asked_for(words.split(), 0.0))
    printer.expect([source])
    printer.show(source, parse_line(decoded(line)))
    return screen.text


def test_nothing_in_a_line_is_obeyed_by_a_terminal() -> None:
    assert (
        shown(b"\x1b]0;title\x07\x1b[2Jgone\rhidden\x9b31m\xff") == "web | ^[]0;title^G^[[2Jgone^Mhidden\\x9b31m\\xff\n"
    )
    assert shown("\u202e\u0085x\xa0y".encode()) == "web | \\u202e\\x85x\xa0y\n"
    assert shown(b"tab\tstays\r") == "web | tab\tstays\n"


def test_unless_somebody_asks_for_it() -> None:
    assert shown(b"\x1b[31mred\x1b[0m", raw=True) == "web | \x1b[31mred\x1b[0m\n"


def test_each_process_has_a_colour_of_its_own() -> None:
    screen = Screen()
    printer = Printer(Output(screen, screen, colour=True), Asked())
    printer.expect([WEB])
    printer.show(WEB, Entry("one", "one"))
    printer.expect([WEB, LONG])
    printer.show(LONG, Entry("two", "two"))
    printer.show(WEB, Entry("three", "three"))
    assert screen.text.splitlines() == [
        "\x1b[36mweb |\x1b[0m one",
        "\x1b[33mshop:worker_0000000000000000000… err |\x1b[0m two",
        "\x1b[36mweb                              out |\x1b[0m three",
    ]


def test_a_name_with_escapes_is_inert_and_aligned() -> None:
    evil = Source("a\x1b[2J日本\u202e", "stdout", "/l/e", ("a\x1b[2J日本\u202e",))
    assert shown(b"x", source=evil) == "a^[[2J日本\\u202e | x\n"


def test_a_hook_is_named() -> None:
    assert shown(b"2026-11-21T12:00:00.100Z web/prestart stdout: migrating") == "web | prestart: migrating\n"


def test_a_line_as_json_says_when_it_came() -> None:
    assert record(WEB, Entry("x", "x"), 1795262400.0)["at"] == "2026-11-21T12:00:00.000Z"
    with pytest.raises(UnicodeEncodeError):
        decoded(b"\xff").encode()
    assert record(WEB, Entry(decoded(b"\xff"), ""), None)["text"] == "\\xff"
