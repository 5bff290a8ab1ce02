"""axe-core finds nothing serious on any page, in either colours, at either width."""

from collections.abc import Callable
from typing import Literal

import pytest
from playwright.sync_api import expect

from tests.browser.visiting import Served, Visit
from tests.e2e.harness import PYTHON

pytestmark = pytest.mark.timeout(300)  # the first one may have to fetch a browser

Serve = Callable[..., Served]
Go = Callable[..., Visit]

COLOURS = "".join(
    f"\\\\x1b[{code}mcolour {code}\\\\x1b[0m " for code in (*range(30, 38), *range(90, 98), *range(41, 48), 2)
)
PROGRAMS = f"""
  web: {{cmd: "sleep 1000", numprocs: 3, starttime: 0}}
  talker: {{cmd: "{PYTHON} -c 'import time; print(\\"{COLOURS}\\", flush=True); time.sleep(1000)'", starttime: 0}}
  slow: {{cmd: "sleep 1000", starttime: 1000}}
  idle: {{cmd: "sleep 1000", autostart: false}}
  done: {{cmd: "true", starttime: 0, autorestart: false}}
  broken: {{cmd: "{PYTHON} -c 'raise SystemExit(3)'", startretries: 0}}
"""


def in_either_colours(seen: Visit) -> list[str]:
    """Return what is found in light colours and in dark ones."""
    found = []
    colours: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme in colours:
        seen.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        dark = seen.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
        assert dark == (scheme == "dark")
        found += [f"{scheme}: {each}" for each in seen.accessibility()]
    return found


@pytest.mark.parametrize("phone", [False, True], ids=["desktop", "phone"])
def test_nothing_serious_is_found(serve: Serve, visit: Go, phone: bool) -> None:
    served = serve(PROGRAMS)
    served.rig.until("talker", "RUNNING")
    served.rig.until("broken", "FATAL")
    seen = visit(served, phone=phone)
    seen.sees("broken", "FATAL")
    expect(seen.row("talker").locator("td.cpu")).to_contain_text("%")
    assert in_either_colours(seen) == []
    seen.press("all", "stop")  # a question, and a message of either kind
    expect(seen.page.locator("dialog")).to_be_visible()
    assert in_either_colours(seen) == []
    seen.page.keyboard.press("Escape")
    seen.press("broken", "start")
    expect(seen.page.locator(".toast.bad")).to_be_visible()
    assert in_either_colours(seen) == []
    log = visit(served, "/program/talker:talker", phone=phone)
    expect(log.page.locator("section.log[data-stream=stdout] .line .f1")).to_have_count(1)
    log.page.locator("section.log[data-stream=stdout] input[type=search]").fill("colour")
    expect(log.page.locator(".line.hit")).to_have_count(1)
    assert in_either_colours(log) == []
    for path in ("/logs", "/program/broken:broken", "/nothing-here"):
        page = visit(served, path, phone=phone, live=path != "/nothing-here")
        assert in_either_colours(page) == []
        page.complaints = [said for said in page.complaints if "404" not in said]


def test_the_pages_without_a_script_too(serve: Serve, visit: Go) -> None:
    served = serve(PROGRAMS)
    seen = visit(served, mute=True)
    assert seen.accessibility() == []
    seen.press("web:*", "stop")
    expect(seen.page.locator("body[data-page=ask]")).to_be_visible()
    assert seen.accessibility() == []


def test_no_page_is_wider_than_a_phone(serve: Serve, visit: Go) -> None:
    served = serve(PROGRAMS)
    for path in ("/", "/program/web:web_00", "/logs"):
        page = visit(served, path, phone=True).page
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
