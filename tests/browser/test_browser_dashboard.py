"""The dashboard in a real browser: what it shows comes by itself, what is pressed happens."""

import os
import re
import signal
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.visiting import Served, Visit
from tests.e2e.harness import PYTHON, program
from tests.support import eventually

pytestmark = pytest.mark.timeout(300)  # the first one may have to fetch a browser

Serve = Callable[..., Served]
Go = Callable[..., Visit]

PROGRAMS = f"""
  web: {{cmd: "{program("stubborn.py")} TERM", numprocs: 2, stoptime: 0.3, starttime: 0}}
  api: {{cmd: "sleep 1000", starttime: 0}}
  idle: {{cmd: "sleep 1000", autostart: false, starttime: 0}}
  broken: {{cmd: "{PYTHON} -c 'raise SystemExit(3)'", startretries: 0, starttime: 1}}
"""


def test_a_program_is_stopped_and_started(serve: Serve, visit: Go) -> None:
    served = serve(PROGRAMS)
    first = served.rig.until("api", "RUNNING")["pid"]
    seen = visit(served)
    seen.sees("api", "RUNNING")
    seen.page.evaluate("window.same = true")
    seen.press("api", "stop")
    seen.sees("api", "STOPPED")
    expect(seen.row("api").locator(".note")).to_have_text("by hand")
    seen.hears("stopped")
    assert served.rig.state("api") == "STOPPED"
    expect(seen.button("api", "stop")).to_be_hidden()
    seen.press("api", "start")
    seen.sees("api", "RUNNING")
    second = served.rig.pid("api")
    assert second not in (0, first)
    expect(seen.row("api").locator(".pid")).to_have_text(str(second))
    seen.press("api", "restart")
    third = served.rig.until_new_pid("api", second)
    expect(seen.row("api").locator(".pid")).to_have_text(str(third))
    assert seen.page.evaluate("window.same") is True  # all of that without a reload


def test_what_happens_elsewhere_shows_without_a_reload(serve: Serve, visit: Go) -> None:
    served = serve(PROGRAMS)
    seen = visit(served)
    seen.sees("api", "RUNNING")
    seen.sees("broken", "FATAL")
    expect(seen.row("broken").locator(".end")).not_to_be_empty()
    expect(seen.page.locator("#summary .count.FATAL")).to_have_text("1 fatal")
    served.rig.rpc.supervisor.stopProcess("api")
    seen.sees("api", "STOPPED")
    expect(seen.page.locator("#announce")).to_contain_text("api is stopped")
    served.rig.rpc.supervisor.startProcess("idle")
    seen.sees("idle", "RUNNING")
    os.kill(served.rig.pid("idle"), signal.SIGKILL)
    expect(seen.row("idle").locator(".end")).to_contain_text("SIGKILL")
    expect(seen.row("idle").locator(".restarts")).to_have_text("1")


def test_the_clock_and_the_figures_go_on(serve: Serve, visit: Go) -> None:
    seen = visit(serve(PROGRAMS))
    row = seen.row("api")
    expect(row.locator("td.cpu")).to_contain_text("%")
    expect(row.locator("td.memory")).to_contain_text("iB")
    expect(row.locator(".graph svg path.cpu")).to_have_attribute("d", re.compile("M.*L"))
    clock = row.locator(".uptime")
    before = clock.inner_text()
    expect(clock).not_to_have_text(before)
    expect(seen.row("idle").locator(".uptime")).to_be_empty()


def test_search_and_filter(serve: Serve, visit: Go) -> None:
    seen = visit(serve(PROGRAMS))
    seen.page.keyboard.press("/")
    expect(seen.page.locator("#q")).to_be_focused()
    seen.page.keyboard.type("web")
    expect(seen.row("api")).to_be_hidden()
    expect(seen.row("web:web_00")).to_be_visible()
    assert seen.page.url.endswith("?q=web")
    seen.page.keyboard.type("_01")
    expect(seen.row("web:web_00")).to_be_hidden()
    seen.page.keyboard.type("!")
    expect(seen.page.locator("#nothing")).to_be_visible()
    seen.page.keyboard.press("Escape")
    expect(seen.row("api")).to_be_visible()
    seen.page.locator("#state").select_option("STOPPED")
    expect(seen.row("idle")).to_be_visible()
    expect(seen.row("api")).to_be_hidden()
    seen.served.rig.rpc.supervisor.stopProcess("api")  # what begins to match appears
    expect(seen.row("api")).to_be_visible()
    seen.page.reload()  # the address has it
    expect(seen.row("idle")).to_be_visible()
    expect(seen.row("web:web_00")).to_be_hidden()


def test_the_keys(serve: Serve, visit: Go) -> None:
    seen = visit(serve(PROGRAMS))
    rig = seen.served.rig
    keys = seen.page.keyboard
    seen.page.locator("#q").fill("api")
    keys.press("ArrowDown")
    expect(seen.row("api").locator("a")).to_be_focused()
    keys.press("x")
    seen.sees("api", "STOPPED")
    keys.press("s")
    seen.sees("api", "RUNNING")
    pid = rig.pid("api")
    keys.press("r")
    rig.until_new_pid("api", pid)
    keys.press("/")
    keys.press("Escape")
    keys.press("Escape")
    shown = seen.page.locator("tr.process a")
    keys.press("j")
    expect(shown.nth(0)).to_be_focused()
    keys.press("j")
    expect(shown.nth(1)).to_be_focused()
    keys.press("k")
    expect(shown.nth(0)).to_be_focused()
    keys.press("?")
    expect(seen.page.locator("dialog")).to_contain_text("restart it")
    keys.press("Escape")
    expect(seen.page.locator("dialog")).to_have_count(0)
    name = shown.nth(0).inner_text()
    expect(shown.nth(0)).to_be_focused()
    keys.press("Enter")
    expect(seen.page.locator("h1")).to_contain_text(name)


def test_what_is_large_asks_first(serve: Serve, visit: Go) -> None:
    seen = visit(serve(PROGRAMS))
    rig = seen.served.rig
    rig.until("web:web_01", "RUNNING")
    seen.press("web:*", "stop")
    box = seen.page.locator("dialog")
    expect(box).to_contain_text("Stop all of the group web?")
    box.get_by_role("button", name="Cancel").click()
    expect(box).to_have_count(0)
    assert rig.state("web:web_00") == "RUNNING"
    seen.press("web:*", "stop")
    box.get_by_role("button", name="Stop group").click()
    seen.sees("web:web_00", "STOPPED")
    seen.sees("web:web_01", "STOPPED")
    expect(seen.page.locator("tbody[data-group=web] .group-count")).to_have_text("0 of 2 running")
    seen.press("all", "stop")
    box.get_by_role("button", name="Stop all").click()
    seen.sees("api", "STOPPED")


def test_a_signal_is_chosen(serve: Serve, visit: Go) -> None:
    seen = visit(serve(PROGRAMS))
    rig = seen.served.rig
    rig.until("api", "RUNNING")
    seen.press("api", "signal")
    box = seen.page.locator("dialog")
    box.locator("select").select_option("USR1")
    box.get_by_role("button", name="Send").click()
    expect(seen.row("api").locator(".end")).to_contain_text("SIGUSR1")


def test_a_failure_is_told_and_stays_until_it_is_dismissed(serve: Serve, visit: Go) -> None:
    seen = visit(serve(PROGRAMS))
    seen.sees("broken", "FATAL")
    seen.press("broken", "start")
    told = seen.page.locator(".toast.bad")
    expect(told).to_contain_text("broken")
    expect(told).to_have_attribute("role", "alert")
    seen.press("api", "stop")
    seen.hears("api")
    expect(seen.page.locator(".toast:not(.bad)")).to_have_count(0)  # good news goes by itself
    expect(told).to_have_count(1)
    told.get_by_role("button", name="Dismiss").click()
    expect(told).to_have_count(0)


def test_rows_that_a_filter_left_out_join_in_their_order(serve: Serve, visit: Go) -> None:
    served = serve(PROGRAMS.replace("numprocs: 2", "numprocs: 4"))
    whole = visit(served)
    ordered = [row.get_attribute("data-name") for row in whole.page.locator("tr.process").all()]
    seen = visit(served, "/?q=web_02")
    expect(seen.page.locator("tr.process:visible")).to_have_count(1)
    seen.page.locator("#q").fill("")
    expect(seen.row("api")).to_be_visible()
    assert [row.get_attribute("data-name") for row in seen.page.locator("tr.process").all()] == ordered
    assert seen.page.locator("tbody[data-group=web] tr").first.get_attribute("class") == "group-row"


def test_with_and_without_a_script_the_same_is_found(serve: Serve, visit: Go) -> None:
    served = serve(PROGRAMS)
    served.rig.until("web:web_01", "RUNNING")
    for script in (True, False):
        seen = visit(served, "/?q=running+WEB_01", script=script)
        expect(seen.page.locator("tr.process:visible")).to_have_count(1)
        expect(seen.row("web:web_01")).to_be_visible()


_HIDE = """hidden => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_windows_that_nobody_sees_leave_room_for_another(serve: Serve, visit: Go) -> None:
    served = serve(PROGRAMS)
    served.rig.until("api", "RUNNING")
    first = visit(served)
    others = [first.page, *(first.context.new_page() for _ in range(5))]
    for page in others[1:]:
        page.goto(served.address, wait_until="domcontentloaded")
        expect(page.locator("#connection")).to_have_text("live")
    first.page.evaluate("window.same = true")
    for page in others:
        page.evaluate(_HIDE, True)
    seventh = first.context.new_page()
    seventh.goto(served.address, wait_until="domcontentloaded")
    expect(seventh.locator("#connection")).to_have_text("live")
    served.rig.rpc.supervisor.stopProcess("api")
    expect(seventh.locator('tr[data-name="api"] .badge')).to_have_text("STOPPED")
    assert first.row("api").locator(".badge").inner_text() == "RUNNING"
    first.page.evaluate(_HIDE, False)  # seen again, it catches up
    first.sees("api", "STOPPED")
    expect(first.page.locator("#connection")).to_have_text("live")
    assert first.page.evaluate("window.same") is True


def test_a_short_look_elsewhere_breaks_nothing(serve: Serve, visit: Go) -> None:
    seen = visit(serve(PROGRAMS))
    asked: list[str] = []
    seen.page.on("request", lambda request: asked.append(request.url))
    for hidden in (True, False, True, False):
        seen.page.evaluate(_HIDE, hidden)
    seen.served.rig.until("api", "RUNNING")
    seen.served.rig.rpc.supervisor.stopProcess("api")
    seen.sees("api", "STOPPED")
    assert not [url for url in asked if "/live" in url]


def test_a_button_waits_for_its_answer(serve: Serve, visit: Go) -> None:
    seen = visit(serve(PROGRAMS))
    seen.served.rig.until("web:web_00", "RUNNING")
    button = seen.button("web:web_00", "restart")
    pid = seen.served.rig.pid("web:web_00")
    twice = "button => { button.click(); button.click(); return button.getAttribute('aria-disabled'); }"
    assert button.evaluate(twice) == "true"  # the second press does nothing
    new = seen.served.rig.until_new_pid("web:web_00", pid)
    expect(button).not_to_have_attribute("aria-disabled", "true")
    assert seen.served.rig.pid("web:web_00") == new


def test_many_presses_at_once_each_have_a_token(serve: Serve, visit: Go) -> None:
    seen = visit(serve(PROGRAMS))
    for name in ("api", "web:web_00", "web:web_01"):
        seen.press(name, "stop")
    for name in ("api", "web:web_00", "web:web_01"):
        seen.sees(name, "STOPPED")
    expect(seen.page.locator(".toast.bad")).to_have_count(0)


def test_no_button_has_to_seek_its_form(serve: Serve, visit: Go) -> None:
    # With `form=` on each of the thousands of buttons of a large page Chromium needs seconds to read it.
    page = visit(serve(PROGRAMS), mute=True).page
    assert page.evaluate("document.querySelectorAll('button[form]').length") == 0
    buttons = "[...document.querySelectorAll('main button[data-verb]')]"
    assert page.evaluate(f"{buttons}.length > 0 && {buttons}.every(button => button.form.id === 'act')")


def test_programs_come_and_go(serve: Serve, visit: Go) -> None:
    served = serve(PROGRAMS)
    seen = visit(served)
    text = served.rig.conf.read_text()
    text = text.replace("numprocs: 2", "numprocs: 3").replace("  api:", "  pia:")
    served.rig.conf.write_text(text + '  neu: {cmd: "sleep 1000", starttime: 0}\n')
    assert served.rig.ctl("update").code == 0
    seen.sees("web:web_02", "RUNNING")
    seen.sees("neu", "RUNNING")
    seen.sees("pia", "RUNNING")
    expect(seen.row("api")).to_have_count(0)
    seen.press("neu", "stop")
    seen.sees("neu", "STOPPED")
    seen.row("neu").locator("a").click()
    expect(seen.page.locator("h1")).to_contain_text("neu")


def test_the_page_comes_back_with_the_daemon(serve: Serve, visit: Go) -> None:
    served = serve(PROGRAMS)
    seen = visit(served)
    seen.daemon_may_go = True
    seen.sees("api", "RUNNING")
    served.rig.stop()
    expect(seen.page.locator("#connection")).to_have_text("reconnecting…")
    served.rig.start()
    expect(seen.page.locator("#connection")).to_have_text("live")
    expect(seen.row("api").locator(".pid")).to_have_text(str(served.rig.pid("api")))
    seen.press("api", "stop")  # the token of the page was the other daemon's
    seen.sees("api", "STOPPED")
    expect(seen.page.locator(".toast.bad")).to_have_count(0)


def test_without_a_script_everything_works_by_forms(serve: Serve, visit: Go) -> None:
    served = serve(PROGRAMS)
    served.rig.until("api", "RUNNING")
    seen = visit(served, script=False)
    seen.press("api", "stop")
    expect(seen.page.locator(".message")).to_contain_text("api")
    eventually(lambda: served.rig.state("api") == "STOPPED", 20)
    seen.press("api", "start")
    eventually(lambda: served.rig.state("api") == "RUNNING", 20)
    seen.press("web:*", "stop")
    assert served.rig.state("web:web_00") == "RUNNING"  # asked first, on a page of its own
    seen.page.locator("main button").last.click()
    eventually(lambda: served.rig.state("web:web_00") == "STOPPED", 20)
    seen.page.goto(served.address)
    seen.page.locator("#q").fill("idle")
    seen.page.locator("#search button").click()
    expect(seen.page.locator("tr.process")).to_have_count(1)
    expect(seen.row("idle")).to_be_visible()


def test_a_listener_without_a_password_only_shows(serve: Serve, visit: Go) -> None:
    seen = visit(serve(PROGRAMS, password=False))
    seen.sees("api", "RUNNING")
    expect(seen.page.locator("button[data-verb]")).to_have_count(0)
    expect(seen.page.locator(".only-shows")).to_be_visible()
    seen.page.keyboard.press("j")
    seen.page.keyboard.press("x")  # there is nothing it could press
    seen.served.rig.rpc.supervisor.stopProcess("api")
    seen.sees("api", "STOPPED")


def test_after_an_upgrade_in_place_the_page_acts_as_before(serve: Serve, visit: Go) -> None:
    seen = visit(serve(PROGRAMS))
    seen.sees("api", "RUNNING")
    seen.daemon_may_go = True
    assert seen.served.rig.ctl("upgrade").code == 0
    seen.served.rig.rpc.supervisor.stopProcess("api")
    seen.sees("api", "STOPPED")
    seen.press("api", "start")  # with a token of the new daemon at once: a refused one would be complained of
    seen.sees("api", "RUNNING")


def test_the_chosen_colours_are_remembered(serve: Serve, visit: Go) -> None:
    seen = visit(serve(PROGRAMS))
    ground = "getComputedStyle(document.body).backgroundColor"
    light = seen.page.evaluate(ground)
    toggle = seen.page.locator("button.theme")
    toggle.click()
    toggle.click()
    expect(toggle).to_have_attribute("aria-label", "Colours: dark")
    dark = seen.page.evaluate(ground)
    assert dark != light
    seen.page.reload()
    assert seen.page.evaluate(ground) == dark
