"""The page of a program in a real browser, and the daemon's log: what is printed appears, can be held and searched."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.visiting import Served, Visit
from tests.e2e.harness import Rig, program

pytestmark = pytest.mark.timeout(300)  # the first one may have to fetch a browser

Serve = Callable[..., Served]
Go = Callable[..., Visit]

PROGRAMS = f"""
  talker: {{cmd: "{program("speaker.py")} {{dir}}/ready", starttime: 0, startretries: 0}}
"""


class Talk:
    """A page on a program that says what it is told."""

    def __init__(self, serve: Serve, visit: Go) -> None:
        self.served = serve(PROGRAMS)
        self.rig: Rig = self.served.rig
        self.rig.until_text("ready", "ready")
        self.seen = visit(self.served, "/program/talker:talker")
        self.page = self.seen.page
        self.out: Locator = self.page.locator("section.log[data-stream=stdout]")
        self.lines: Locator = self.out.locator(".lines")

    def say(self, text: str | bytes, stream: str = "out") -> None:
        data = text.encode() if isinstance(text, str) else text
        self.rig.rpc.supervisor.sendProcessStdin("talker", f"{stream} {data.hex()}\n")

    def shows(self, text: str) -> Locator:
        found = self.lines.locator(".line").filter(has_text=text).last
        expect(found).to_be_visible()
        return found


@pytest.fixture
def talk(serve: Serve, visit: Go) -> Talk:
    return Talk(serve, visit)


def test_output_appears_as_it_is_written(talk: Talk) -> None:
    talk.say("first line\nsecond li")
    talk.shows("first line")
    talk.say("ne\nthird\n")
    talk.shows("third")
    assert [line for line in talk.lines.inner_text().split("\n") if line] == ["first line", "second line", "third"]
    talk.say("trouble\n", "err")
    expect(talk.page.locator("section.log[data-stream=stderr] .lines")).to_contain_text("trouble")


def test_a_held_log_stands_still_and_catches_up(talk: Talk) -> None:
    talk.say("before\n")
    talk.shows("before")
    talk.out.get_by_role("button", name="Pause").click()
    talk.say("meanwhile\n")
    expect(talk.out.locator(".log-state")).to_contain_text("1 new line")
    expect(talk.lines).not_to_contain_text("meanwhile")
    talk.page.locator("h1").click()
    talk.page.keyboard.press("p")
    talk.shows("meanwhile")
    expect(talk.out.locator(".log-state")).to_be_empty()


def test_a_line_that_comes_in_pieces_is_shown_once(talk: Talk) -> None:
    talk.say("begun, ")
    talk.shows("begun, ")
    talk.out.get_by_role("button", name="Pause").click()
    for piece in ("one, ", "two, ", "three"):
        talk.say(piece)
        talk.rig.until_text("talker-stdout.log", piece)
    talk.say("!\nnext\n")
    expect(talk.out.locator(".log-state")).to_contain_text("2 new lines")
    talk.out.get_by_role("button", name="Resume").click()
    talk.shows("next")
    assert [line for line in talk.lines.inner_text().split("\n") if line] == ["begun, one, two, three!", "next"]


def test_what_is_sought_is_found(talk: Talk) -> None:
    talk.say("".join(f"line {number} {'needle' if number % 10 == 0 else 'hay'}\n" for number in range(100)))
    talk.shows("line 99")
    talk.page.keyboard.press("/")
    search = talk.out.locator("input[type=search]")
    expect(search).to_be_focused()
    talk.page.keyboard.type("Needle")
    expect(talk.out.locator(".found")).to_have_text("10 of 10")
    expect(talk.lines.locator(".here")).to_contain_text("line 90 ")
    talk.page.keyboard.press("Enter")
    expect(talk.lines.locator(".here")).to_contain_text("line 0 ")
    talk.page.keyboard.press("Shift+Enter")
    expect(talk.lines.locator(".here")).to_contain_text("line 90 ")
    assert talk.page.evaluate("CSS.highlights.get('found').size") == 10
    talk.out.get_by_label("Only matches").check()
    expect(talk.lines.locator(".line:visible")).to_have_count(10)
    talk.say("another needle\n")  # what comes is searched, too
    expect(talk.out.locator(".found")).to_have_text("10 of 11")
    search.fill("nowhere")
    expect(talk.out.locator(".found")).to_have_text("nothing found")


def test_who_reads_further_up_is_not_moved(talk: Talk) -> None:
    talk.say("".join(f"line {number}\n" for number in range(200)))
    talk.shows("line 199")
    talk.lines.evaluate("pane => { pane.scrollTop = 0; }")
    end = talk.out.locator(".to-end")
    expect(end).to_be_visible()
    talk.say("far below\n")
    expect(talk.lines).to_contain_text("far below")
    assert talk.lines.evaluate("pane => pane.scrollTop") == 0
    end.click()
    expect(end).to_be_hidden()
    assert talk.lines.evaluate("pane => pane.scrollTop + pane.clientHeight >= pane.scrollHeight - 2")
    talk.say("and on\n")
    talk.shows("and on")
    assert talk.lines.evaluate("pane => pane.scrollTop + pane.clientHeight >= pane.scrollHeight - 2")


def test_lines_are_wrapped_or_not_as_was_last_chosen(talk: Talk) -> None:
    wrap = talk.out.get_by_label("Wrap")
    expect(wrap).to_be_checked()
    wrap.uncheck()
    expect(talk.lines).not_to_have_class(re.compile("wrapped"))
    talk.page.reload()
    expect(talk.out.get_by_label("Wrap")).not_to_be_checked()


def test_what_a_program_prints_does_nothing(talk: Talk) -> None:
    talk.say(
        b"<img src=x onerror=alert(1)><script>document.title='taken'</script>\n"
        b"\x1b[31mred \x1b[1;44mbold\x1b[0m plain \x1b]0;title\x07 \x1b[2J \x9b \xe2\x80\xaetfel\n"
    )
    line = talk.shows("tfel")
    expect(line).to_have_text(re.compile(r"red bold plain \^\[\]0;title\^G \^\[\[2J . \\u202etfel"))
    expect(line.locator("span.f1").first).to_have_text("red ")
    expect(line.locator("span.f1.b4.bold")).to_have_text("bold")
    expect(talk.lines).to_contain_text("<script>document.title='taken'</script>")
    assert talk.lines.locator("img, script").count() == 0
    assert "taken" not in talk.page.title()


def test_lines_end_as_on_a_terminal(talk: Talk) -> None:
    talk.say(b"typed\r\n50%\r60%\r\n\r\ndone\r")
    talk.shows("done")
    ended = ["typed", "50%^M60%", "", "done"]
    assert [line.rstrip("\n") for line in talk.lines.locator(".line").all_text_contents()] == ended
    talk.say(b"\nnext\r\n")
    talk.shows("next")
    assert [line.rstrip("\n") for line in talk.lines.locator(".line").all_text_contents()] == [*ended, "next"]


def test_a_flood_is_bounded_in_the_page(talk: Talk) -> None:
    for part in range(8):
        talk.say("".join(f"flood {part} {number}\n" for number in range(1000)))
    talk.shows("flood 7 999")
    assert talk.lines.evaluate("pane => pane.childElementCount") <= 3000


def test_a_line_without_an_end_is_cut_in_the_page(talk: Talk) -> None:
    for _ in range(20):
        talk.say(b"x" * 60_000)
    talk.say("\nafter\n")
    talk.shows("after")
    assert talk.lines.evaluate("pane => pane.textContent.length") < 200_000


def test_state_and_lives_go_on_without_a_reload(talk: Talk) -> None:
    seen = talk.seen
    badge = talk.page.locator("h1 .badge")
    expect(badge).to_have_text("RUNNING")
    talk.page.evaluate("window.same = true")
    expect(talk.page.locator("#figures .cpu")).to_contain_text("%")
    expect(talk.page.locator(".graph path.cpu")).to_have_attribute("d", re.compile("M"))
    talk.rig.rpc.supervisor.sendProcessStdin("talker", "exit 7\n")
    expect(talk.page.locator("#lives .short").first).to_contain_text("7")
    pid = talk.rig.until("talker", "RUNNING", "EXITED", "FATAL")["pid"]
    assert pid >= 0
    talk.page.locator("#lives summary").first.click()
    if talk.rig.state("talker") == "RUNNING":
        seen.press("talker", "stop")
    expect(badge).to_have_text(re.compile("STOPPED|EXITED|FATAL"))
    seen.press("talker", "start")
    expect(badge).to_have_text("RUNNING")
    expect(talk.page.locator("#figures .pid")).to_have_text(str(talk.rig.pid("talker")))
    assert talk.page.evaluate("window.same") is True


def test_a_program_that_is_taken_out_comes_back(talk: Talk) -> None:
    talk.seen.press("talker", "stop")
    expect(talk.page.locator("h1 .badge")).to_have_text("STOPPED")
    main, said = talk.page.locator("main"), talk.page.locator(".description")
    text = talk.rig.conf.read_text()
    talk.rig.conf.write_text(text.replace("  talker:", "  other:"))
    assert talk.rig.ctl("update").code == 0
    expect(said).to_contain_text("is gone")
    expect(main).to_have_class("gone")
    expect(talk.seen.button("talker", "start")).to_be_hidden()
    talk.rig.conf.write_text(text.replace("starttime: 0", "starttime: 0, autostart: false"))
    assert talk.rig.ctl("update").code == 0
    expect(said).not_to_contain_text("is gone")
    expect(main).not_to_have_class("gone")
    talk.seen.press("talker", "start")
    expect(talk.page.locator("h1 .badge")).to_have_text("RUNNING")
    talk.say("again\n")
    talk.shows("again")


def test_a_signal_is_sent_from_the_list(talk: Talk) -> None:
    pid = talk.rig.pid("talker")
    talk.page.locator("#signal").select_option("KILL")
    talk.seen.press("talker", "signal")
    expect(talk.page.locator("#lives .short").first).to_contain_text("SIGKILL")
    talk.rig.until_new_pid("talker", pid)


def test_the_log_is_downloaded(talk: Talk, tmp_path: Path) -> None:
    talk.say("kept for later\n")
    talk.shows("kept for later")
    with talk.page.expect_download() as coming:
        talk.out.locator(".download").click()
    coming.value.save_as(tmp_path / "log")
    assert (tmp_path / "log").read_text() == "kept for later\n"


def test_following_goes_on_where_it_was_when_the_daemon_comes_back(talk: Talk) -> None:
    talk.seen.daemon_may_go = True
    talk.say("before it went\n")
    talk.shows("before it went")
    talk.rig.stop()
    expect(talk.page.locator("#connection")).to_have_text("reconnecting…")
    talk.rig.start()
    expect(talk.page.locator("#connection")).to_have_text("live")
    talk.rig.until("talker", "RUNNING")
    talk.say("after it came\n")
    talk.shows("after it came")
    assert talk.lines.inner_text().count("before it went") == 1


def test_the_log_of_the_daemon_goes_on(talk: Talk, visit: Go) -> None:
    log = visit(talk.served, "/logs")
    lines = log.page.locator(".lines")
    expect(lines).to_contain_text("spawned: 'talker'")
    talk.rig.rpc.supervisor.stopProcess("talker")
    expect(lines).to_contain_text("stopped: talker")
