"""The dashboard in windows of all widths: what is left of it can be read and pressed."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.visiting import Served, Visit

pytestmark = pytest.mark.timeout(300)  # the first one may have to fetch a browser

Serve = Callable[..., Served]
Go = Callable[..., Visit]

PROGRAMS = """
  web: {cmd: "sleep 1000", numprocs: 2, starttime: 0}
  api: {cmd: "sleep 1000", starttime: 0}
  idle: {cmd: "sleep 1000", autostart: false}
  missing: {cmd: "/no/such/command", startretries: 0}
"""
WIDTHS = (1700, 1300, 1240, 1100, 1020, 950, 860, 800, 761, 760, 500, 390, 360, 320)

STICKS_OUT = """() => [...document.querySelectorAll("#programs tbody tr")].flatMap((row) => {
  const room = row.closest("tbody").getBoundingClientRect();
  return [...row.querySelectorAll("a, .badge, .group-name, button, td, svg")].filter((part) => {
    const { left, right, width } = part.getBoundingClientRect();
    return width && (left < room.left - 1 || right > room.right + 1);
  }).map((part) => `${part.className || part.tagName} of ${row.dataset.name ?? "a group"}`);
})"""
CUT = """() => [...document.querySelectorAll("#programs th.name, #programs .group-row th, #programs td.actions")]
  .filter((cell) => cell.scrollWidth > cell.clientWidth + 1).map((cell) => cell.textContent)"""
ASKEW = """() => { const right = (row) => row.querySelector("td.actions").getBoundingClientRect().right;
  const rows = [...document.querySelectorAll("#programs tbody tr")].filter((row) => row.getClientRects().length);
  return innerWidth > 760 ? rows.filter((row) => Math.abs(right(row) - right(rows[0])) > 1).length : 0; }"""


def test_nothing_is_cut_off_or_sticks_out_at_any_width(serve: Serve, visit: Go) -> None:
    seen = visit(serve(PROGRAMS))
    seen.sees("missing", "FATAL")
    expect(seen.row("api").locator("td.cpu")).to_contain_text("%")
    seen.press("api", "stop")  # its note takes room, too
    expect(seen.row("api").locator(".note")).to_have_text("by hand")
    found = {}
    for width in WIDTHS:
        seen.page.set_viewport_size({"width": width, "height": 900})
        bad = (seen.page.evaluate(STICKS_OUT), seen.page.evaluate(CUT), seen.page.evaluate(ASKEW))
        wide = seen.page.evaluate("document.documentElement.scrollWidth > innerWidth")
        if any(bad) or wide:
            found[width] = (*bad, wide)
    assert found == {}
