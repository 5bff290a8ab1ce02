"""Names, variables and log lines that would like to be more than text, in a real browser: they are not."""

import json
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.visiting import Served, Visit
from tests.e2e.harness import PYTHON

pytestmark = pytest.mark.timeout(300)  # the first one may have to fetch a browser

Serve = Callable[..., Served]
Go = Callable[..., Visit]

NAMES = (
    "<script>document.title='taken'<script>",
    '"onfocus=alert(1)x="',
    "a'b\"c&lt;d",
    "%3Cb%3E%2e%2e",
    "what?is=this#here;",
    "überlänge-日本語",
)
SAYS = (
    "<img src=x onerror=document.title=1> </pre></textarea><script>document.title='taken'</script> \x1b[2J\x1b]0;x\x07"
)


def programs() -> str:
    cmd = json.dumps(
        f"{PYTHON} -c \"import sys, time; print(sys.argv[1]); sys.stdout.flush(); time.sleep(1000)\" '{SAYS}'"
    )
    env = json.dumps({"A<b>": "<script>document.title='taken'</script>", "B": "\x1b[31m\"'&amp;"})
    return "".join(f"  {json.dumps(name)}: {{cmd: {cmd}, starttime: 0, env: {env}}}\n" for name in NAMES)


@pytest.fixture
def served(serve: Serve) -> Served:
    return serve(programs())


@pytest.mark.parametrize("script", [True, False])
def test_names_are_only_text_and_work(served: Served, visit: Go, script: bool) -> None:
    served.rig.until_all("RUNNING", deadline_s=30)
    seen = visit(served, script=script)
    expect(seen.page.locator("tr.process")).to_have_count(len(NAMES))
    assert seen.page.locator("main :is(img, script, svg:not(.spark), b:not(.count b))").count() == 0
    for name in NAMES:
        expect(seen.row(name).locator("a")).to_have_text(shown(name))
        seen.press(name, "stop")
        if script:
            seen.sees(name, "STOPPED")
        else:
            expect(seen.page.locator(".message")).to_be_visible()
        served.rig.until(f"{name}:{name}", "STOPPED", deadline_s=30)
    assert seen.page.title() == "taskmaster"


def test_their_pages_are_found_and_show_text(served: Served, visit: Go) -> None:
    served.rig.until_all("RUNNING", deadline_s=30)
    seen = visit(served)
    for name in NAMES:
        seen.row(name).locator("a").click()
        expect(seen.page.locator("h1")).to_contain_text(shown(name))
        expect(seen.page.locator("#connection")).to_have_text("live")
        expect(seen.page.locator("section.log[data-stream=stdout] .lines")).to_contain_text(
            re.compile(r"<img src=x .*</pre>.*<script>.*\^\[\[2J\^\[\]0;x\^G")
        )
        expect(seen.page.locator("#settings")).to_contain_text("<script>document.title='taken'</script>")
        assert seen.page.locator("main :is(img, script, textarea)").count() == 0
        assert "taken" not in seen.page.title() or name in seen.page.title()
        seen.page.go_back()
        expect(seen.page.locator("tr.process")).to_have_count(len(NAMES))


def test_names_that_come_later_are_only_text_too(served: Served, visit: Go) -> None:
    text = served.rig.conf.read_text()
    seen = visit(served)
    late = "<iframe&onload=alert(2)>"
    served.rig.conf.write_text(text + f'  "{late}": {{cmd: "sleep 1000", starttime: 0}}\n', encoding="utf-8")
    assert served.rig.ctl("update").code == 0
    seen.sees(late, "RUNNING")
    expect(seen.row(late).locator("a")).to_have_text(shown(late))
    seen.press(late, "stop")
    seen.sees(late, "STOPPED")
    seen.hears(shown(late))
    assert seen.page.locator("iframe").count() == 0


def test_the_policy_lets_no_foreign_script_run(served: Served, visit: Go) -> None:
    seen = visit(served)
    seen.page.evaluate(
        "() => { const made = document.createElement('script'); made.textContent = 'window.ran = true';"
        " document.body.append(made); document.body.setAttribute('onclick', 'window.ran = true'); }"
    )
    seen.page.locator("h1").evaluate("heading => heading.click()")
    assert seen.page.evaluate("window.ran") is None
    assert seen.complaints != []  # the browser tells of what it kept from running
    seen.complaints.clear()


def shown(name: str) -> str:
    return re.sub("[\u2028-\u202e\u2066-\u2069]", lambda found: f"\\u{ord(found[0]):04x}", name)
