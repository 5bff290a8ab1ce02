"""`top`: figures as text, rows in order, keys, screens of any size, and the command without a terminal."""

import re
from collections import deque

import pytest

from tests.unit.tmctl.conftest import Tmctl
from tests.unit.tmctl.fake_daemon import FakeDaemon, usual_processes
from tmctl.top_rows import BY_NAME, Row, count, filtered, in_order, memory, percent, rows_of_infos, span, total
from tmctl.top_screen import encoded, parts, screen
from tmctl.top_terminal import Keys
from tmctl.top_view import SORT_KEYS, CloseLog, Page, Quit, Run, ShowLog, ShowWhy, View, press
from tmctl.widths import fit, width

CLOCK = "12:00:00"


def row(name: str, **more: object) -> Row:
    known: dict[str, object] = {"state": "RUNNING", "pid": 100, "uptime_s": 60, "cpu_percent": 1.0, "rss_kib": 2048}
    known |= {"threads": 1, "fds": 3, "restarts": 0, "last_end": "", "group": name.partition(":")[0]}
    return Row(**{"name": name, **known, **more})  # type: ignore[arg-type]


WEB = row("web", cpu_percent=50.0, pid=300)
WORKER = row("shop:worker", cpu_percent=99.5, rss_kib=1024, pid=200, restarts=2)
BROKEN = row("broken", state="FATAL", pid=0, cpu_percent=0.0, rss_kib=0, last_end="exit code 1 after 5 s")


def view(*rows: Row, **more: object) -> View:
    made = View(server="tmd 0.1.0", **more)  # type: ignore[arg-type]
    made.update(list(rows or (WEB, WORKER, BROKEN)))
    return made


def text_of(looked_at: View, columns: int = 100, lines: int = 10) -> list[str]:
    return ["".join(text for text, _ in line) for line in screen(looked_at, columns, lines, CLOCK)]


def typed(looked_at: View, *keys: str) -> object:
    return [press(looked_at, key) for key in keys][-1]


# -- figures --


def test_figures_fit_their_columns() -> None:
    assert [memory(kib, True) for kib in (0, 999, 1000, 2048, 102400, 1047552, 3 << 20, 2**31 - 1)] == [
        *("0K", "999K", "1.0M", "2.0M", "100M", "1.0G", "3.0G", "2.0T"),
    ]
    assert [percent(figure, True) for figure in (0.0, 12.34, 999.9, 1600.4)] == ["0.0", "12.3", "999.9", "1600"]
    assert [span(seconds) for seconds in (0, 3723, 359999, 360000, 86400 * 400)] == [
        *("0:00:00", "1:02:03", "99:59:59", "4d 04h", "400d 00h"),
    ]
    assert [count(figure, True) for figure in (0, 99999, 1234567, None)] == ["0", "99999", "1234k", "-"]
    assert memory(5, False) == percent(5.0, False) == count(5, False) == "-"


def test_figures_of_all_together() -> None:
    assert total([WEB, WORKER, BROKEN]) == "2/3 running   CPU 149.5%   memory 3.0M"
    assert total(rows_of_infos([one.info() for one in usual_processes()])) == "3/10 running"


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("cpu", ["shop:worker", "web", "broken"]),
        ("memory", ["web", "shop:worker", "broken"]),
        ("name", ["broken", "shop:worker", "web"]),
        ("state", ["broken", "shop:worker", "web"]),
        ("pid", ["shop:worker", "web", "broken"]),
        ("restarts", ["shop:worker", "broken", "web"]),
        ("last", ["broken", "shop:worker", "web"]),
    ],
)
def test_order(by: str, names: list[str]) -> None:
    assert [one.name for one in in_order([WEB, WORKER, BROKEN], by, reverse=False)] == names
    assert in_order([WEB, WORKER, BROKEN], by, reverse=True)[0].name in names[1:]


def test_filter() -> None:
    assert filtered([WEB, WORKER, BROKEN], "") == [WEB, WORKER, BROKEN]
    assert filtered([WEB, WORKER, BROKEN], "WORK") == [WORKER]
    assert filtered([WEB, WORKER, BROKEN], "fat bro") == [BROKEN]
    assert filtered([WEB, WORKER, BROKEN], "fat web") == []


# -- keys --


def test_keys_however_the_bytes_are_cut() -> None:
    data = b"q\x1b[A\x1bOB\x1b[5~\r\x7f\x03\xc3\xa9\x1b[1;5Px/"
    whole = Keys().feed(data)
    assert whole == ["q", "up", "down", "pgup", "enter", "backspace", "ctrl-c", "é", "x", "/"]
    for cut in range(1, len(data)):
        keys = Keys()
        assert keys.feed(data[:cut]) + keys.feed(data[cut:]) == whole, cut


def test_an_escape_alone_is_a_key_after_a_while() -> None:
    keys = Keys()
    assert keys.feed(b"\x1b") == []
    assert keys.holding
    assert keys.flush() == ["esc"]
    assert not keys.holding
    assert keys.feed(b"\x1bq") == ["esc", "q"]
    assert keys.feed(b"\xff\xfe") == ["\ufffd", "\ufffd"]


def test_keys_that_sort() -> None:
    looked_at = view()
    for key, column in SORT_KEYS.items():
        assert press(looked_at, key) is None
        assert (looked_at.by, looked_at.reverse) == (column, False)
        assert column in BY_NAME
    press(looked_at, "R")
    assert looked_at.reverse
    looked_at.by = "cpu"
    assert typed(looked_at, ">") is None
    assert (looked_at.by, looked_at.reverse) == ("memory", False)
    typed(looked_at, "<", "<")
    assert looked_at.by == "uptime"


def test_the_selection_stays_with_its_process() -> None:
    looked_at = view()
    assert looked_at.selected == "shop:worker"
    typed(looked_at, "down")
    assert looked_at.selected == "web"
    typed(looked_at, "n", "R")
    looked_at.update([WEB._replace(cpu_percent=0.0), WORKER, BROKEN])
    assert press(looked_at, "s") == Run(("start", "web"))
    typed(looked_at, "end", "down", "pgdn")
    assert looked_at.selected == "broken"
    typed(looked_at, "home", "up")
    assert looked_at.selected == "web"


def test_keys_that_act_on_the_selected() -> None:
    looked_at = view()
    assert press(looked_at, "x") == Run(("stop", "shop:worker"))
    assert press(looked_at, "r") == Run(("restart", "shop:worker"))
    assert press(looked_at, "w") == ShowWhy("shop:worker")
    assert press(looked_at, "l") == ShowLog("shop:worker", "stdout")
    assert press(looked_at, "q") == Quit()
    assert press(looked_at, "ctrl-c") == Quit()
    assert typed(looked_at, "k", *"sigusr2", "backspace", "1", "enter") == Run(("signal", "USR1", "shop:worker"))
    assert typed(looked_at, "k", *"hup", "enter") == Run(("signal", "HUP", "shop:worker"))
    assert typed(looked_at, "k", "esc") is None
    assert typed(looked_at, "k", "enter") is None
    assert press(View(), "x") is None


def test_a_whole_group_is_asked_about() -> None:
    looked_at = view(WORKER, WORKER._replace(name="shop:other", cpu_percent=0.0), WEB)
    assert typed(looked_at, "g", "s") == Run(("start", "shop:*"))
    assert typed(looked_at, "g", "x") is None
    assert text_of(looked_at)[-1].startswith("stop all of shop (2 processes)? y/n")
    assert press(looked_at, "n") is None
    assert typed(looked_at, "g", "r", "y") == Run(("restart", "shop:*"))
    assert typed(looked_at, "g", "k", *"usr1", "enter") == Run(("signal", "USR1", "shop:*"))
    assert typed(looked_at, "g", "esc") is None
    assert press(looked_at, "x") == Run(("stop", "shop:worker")), "of the group no more"


def test_a_filter_is_seen_as_it_is_typed() -> None:
    looked_at = view()
    typed(looked_at, "/", *"wbe", "backspace", "backspace", *"eb")
    assert [line.split()[0] for line in text_of(looked_at)[2:4] if line.strip()] == ["web"]
    assert text_of(looked_at)[-1].startswith("filter: web_")
    assert typed(looked_at, "enter", "x") == Run(("stop", "web"))
    assert text_of(looked_at)[-1].startswith("filter 'web': 1 of 3")
    typed(looked_at, "esc")
    assert len(looked_at.shown()) == 3
    typed(looked_at, "/", *"none of it")
    assert "nothing matches the filter" in text_of(looked_at)[2]
    assert typed(looked_at, "enter", "x") is None


def test_a_log_follows_until_somebody_scrolls() -> None:
    looked_at = view()
    page = looked_at.page = Page("web stdout", deque(maxlen=50), ShowLog("web"), follows=True)
    page.add(f"line {number}" for number in range(40))
    assert text_of(looked_at)[2].startswith("line 33")
    press(looked_at, "up")
    assert not page.follows
    before = text_of(looked_at)[2]
    page.add(f"line {number}" for number in range(40, 60))
    assert text_of(looked_at)[2] == before, "what is looked at stays, also when the oldest lines go"
    press(looked_at, "end")
    assert page.follows
    assert "line 59" in text_of(looked_at)[8]
    assert press(looked_at, "e") == ShowLog("web", "stderr")
    assert press(looked_at, "q") == CloseLog()
    assert looked_at.page is None


def test_a_page_scrolls_sideways_and_closes() -> None:
    looked_at = view()
    looked_at.page = Page("why web", deque(["0123456789abcdefghij"]))
    press(looked_at, "right")
    assert text_of(looked_at)[2].startswith("ghij")
    assert typed(looked_at, "left", "left", "home", "pgdn", "pgup", " ") is None
    assert text_of(looked_at)[2].startswith("0123")
    assert press(looked_at, "esc") is None
    assert looked_at.page is None
    press(looked_at, "?")
    assert any("quit" in line for line in text_of(looked_at, 100, 30))


# -- screens --


@pytest.mark.parametrize("columns", [1, 2, 5, 20, 40, 80, 132, 300])
@pytest.mark.parametrize("lines", [1, 2, 3, 4, 5, 24, 100])
def test_a_screen_of_any_size(columns: int, lines: int) -> None:
    looked_at = view(
        row("日本語のプログラム:非常に長い名前" * 3),
        row("evil\x1b[2J\x07\u202e\n:\x9b", state="\x1b[2J", last_end="\x1b]0;x\x07"),
        row("e\u0301\u200b" * 30),
        *(row(f"shop:worker_{number:04}") for number in range(1000)),
    )
    for keys in ([], ["end"], ["/", "w"], ["esc", "g"], ["x", "esc", "?"], ["q", "k", *"日本" * 60]):
        for key in keys:
            press(looked_at, key)
        drawn = text_of(looked_at, columns, lines)
        assert len(drawn) == lines
        for line in drawn:
            assert width(line) <= columns
            assert not re.search(r"[\x00-\x1f\x7f-\x9f\u200b\u202e\u0301]", line)


def test_rows_have_room_before_what_is_said_about_them() -> None:
    assert [parts(lines).body for lines in (1, 2, 3, 4, 5, 24)] == [1, 2, 2, 2, 2, 21]
    assert all(sum(parts(lines)) == lines for lines in range(1, 100))


def test_narrow_screens_drop_columns_from_the_end() -> None:
    titles = [text_of(view(), columns, 10)[1].split() for columns in (20, 40, 60, 80, 120)]
    assert titles[0] == ["NAME", "STATE"]
    assert titles[1] == ["NAME", "STATE", "↓CPU%", "MEM"]
    assert titles[-1] == ["NAME", "STATE", "PID", "UPTIME", "↓CPU%", "MEM", "THR", "FDS", "RST", "LAST", "END"]
    assert [len(one) for one in titles] == sorted(len(one) for one in titles)


def test_trouble_is_the_first_thing_seen() -> None:
    looked_at = view(trouble="cannot talk to unix:///s: connection refused; trying again")
    assert text_of(looked_at)[0].startswith("cannot talk to unix:///s")
    assert len([line for line in text_of(looked_at)[2:5] if line.strip()]) == 3, "with the last that was known"


def test_without_colour_only_the_selection_stands_out() -> None:
    drawn = screen(view(), 100, 10, CLOCK)
    plain = "".join(encoded(line, colour=False) for line in drawn)
    assert set(re.findall(r"\x1b\[(\d+)m", plain)) == {"0", "1", "7"}
    assert "31" in re.findall(r"\x1b\[(\d+)m", "".join(encoded(line, colour=True) for line in drawn))


def test_text_is_as_wide_as_asked() -> None:
    assert fit("日本語", 5) == "日本…"
    assert fit("日本語", 4) == "日… "
    assert fit("ab", 4, right=True) == "  ab"
    assert fit("abc", 0) == ""
    assert fit("abc", 1) == "…"
    assert fit("a\tb\x1b", 10) == "a^Ib^[    "


# -- without a terminal --


def test_one_look_as_text(own_fake: FakeDaemon, tmctl: Tmctl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tmctl.top.ONCE_S", 0.0)
    ran = tmctl("-s", own_fake.url, "top", "web", "api", "--sort", "memory")
    lines = ran.out.splitlines()
    assert lines[0].startswith("tmd 0.1.0   3/4 running   CPU 3.5%   memory 29.4M")
    assert [line.split()[:2] for line in lines[1:]] == [
        ["NAME", "STATE"],
        ["web", "RUNNING"],
        ["api:api_01", "RUNNING"],
        ["api:api_00", "RUNNING"],
        ["api:api_02", "FATAL"],
    ]
    assert lines[2].split()[2:] == ["1004", "0:01:00", "2.0", "9.8M", "1", "-", "1"]
    assert own_fake.methods_called().count("taskmaster.getGauges") == 2, "a share of time needs two looks"


def test_one_look_as_json(own_fake: FakeDaemon, tmctl: Tmctl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tmctl.top.ONCE_S", 0.0)
    document = tmctl("-s", own_fake.url, "top", "--json", "web").document
    assert document["server"] == "tmd 0.1.0"
    assert [(one["name"], one["state"], one["rss_kib"], one["cpu_percent"]) for one in document["processes"]] == [
        ("web", "RUNNING", 10040, 2.0)
    ]


def test_a_supervisord_does_not_measure(fake: FakeDaemon, tmctl: Tmctl) -> None:
    ran = tmctl("-s", fake.url, "top", "web", "short")
    assert "(this server is not tmd: it does not measure)" in ran.out.splitlines()[0]
    assert ran.out.splitlines()[2:] == [
        "short  EXITED      -        -     -    -    -    -    -  Nov 21 09:06 AM",
        "web    RUNNING  1004  1:02:03     -    -    -    -    -",
    ]
    assert tmctl("-s", fake.url, "top", "--json", "web").document["processes"][0]["uptime_s"] == 3723


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (["nope"], "nope: ERROR (no such process)", 1),
        (["--sort", "beauty"], "Error: cannot sort by 'beauty' (one of name, state,", 2),
        (["-d", "0"], "Error: cannot look every '0' seconds (0.1 to 3600)", 2),
        (["-d"], "Error: cannot look every ''", 2),
        (["-d", "nan"], "Error: cannot look every 'nan'", 2),
        (["--what"], "Error: bad argument --what", 2),
    ],
)
def test_wrong_words(words: list[str], said: str, code: int, fake: FakeDaemon, tmctl: Tmctl) -> None:
    ran = tmctl("-s", fake.url, "top", *words)
    assert ran.out.startswith(said)
    assert ran.code == code
