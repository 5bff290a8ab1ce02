"""The manual pages: they render without a warning, and say what the tables say."""

import re
from pathlib import Path

import pytest

from docs.roff import Page
from tests.packaging import tools
from tests.packaging.tools import ROOT
from tmctl.arguments import FLAGS as CLIENT_FLAGS
from tmctl.commands import COMMANDS
from tmctl.exits import MEANINGS
from tmd.arguments import FLAGS as DAEMON_FLAGS
from tmd.config.options import SECTIONS

PAGES = sorted((ROOT / "docs/man").iterdir())
UTF8 = {"LC_ALL": "C.UTF-8", "MANWIDTH": "100", "MAN_KEEP_FORMATTING": "", "MANOPT": ""}


def rendered(path: Path) -> str:
    """Return a page as `man` shows it, in one line."""
    done = tools.man().run("--warnings", "-E", "UTF-8", "-l", path, environment=UTF8)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return re.sub(r"\u2010\s+|-\n\s+", "", done.stdout)


def flat(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def test_there_are_three() -> None:
    assert [path.name for path in PAGES] == ["tmctl.1", "tmd.1", "tmd.conf.5"]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_man_shows_it_without_a_warning(path: Path) -> None:
    text = rendered(path)
    for section in ("NAME", "DESCRIPTION", "EXAMPLES", "SEE ALSO"):
        assert f"\n{section}\n" in text


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_mandoc_finds_no_fault(path: Path) -> None:
    done = tools.mandoc().run("-T", "lint", "-W", "style", path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_flag_command_and_exit_status_is_told() -> None:
    daemon, client = (rendered(ROOT / "docs/man" / name) for name in ("tmd.1", "tmctl.1"))
    assert [flag.long for flag in DAEMON_FLAGS if f"--{flag.long}" not in daemon] == []
    assert [flag.long for flag in CLIENT_FLAGS if f"--{flag.long}" not in client] == []
    for command in COMMANDS:
        for form, _ in command.forms:
            assert re.search(rf"^ {{7}}{re.escape(form)}( |$)", client, re.MULTILINE), form
    for code, _ in MEANINGS:
        assert re.search(rf"^ {{7}}{code} ", client, re.MULTILINE), code
    for section in ("OPTIONS", "SIGNALS", "EXIT STATUS", "ENVIRONMENT", "FILES"):
        assert f"\n{section}\n" in daemon
    for section in ("OPTIONS", "COMMANDS", "EXIT STATUS", "ENVIRONMENT", "FILES"):
        assert f"\n{section}\n" in client


def test_every_option_of_the_configuration_is_told() -> None:
    text = rendered(ROOT / "docs/man/tmd.conf.5")
    for section in SECTIONS:
        assert f"\n   {section.ini}\n" in text
        for option in section.options:
            assert re.search(rf"^ {{7}}{re.escape(option.name)}\*?( |$)", text, re.MULTILINE), option.name


HOSTILE = (
    ".TH is a request at the start of a line",
    "'so is this",
    r"back\slash \n \fB \(aq \*x and a last one \\",
    "\"quotes\" and 'others' and `ticks",
    "--flag -x a-b ^caret ~tilde",
    "percent %(here)s #hash",
    "wide: ümlaut → 漢字",
    "tab\tand\x1b[2Jescape",
)


def test_text_comes_out_as_it_went_in(tmp_path: Path) -> None:
    page = Page("hostile", 7, "2026-01-02", "A 1", "a page that fights back")
    page.section("DESCRIPTION")
    for text in HOSTILE:
        page.paragraph(text).entry(text, text).example(text)
    page.subsection(HOSTILE[0]).paragraph("more " * 60 + " .ini and 'quoted")
    path = tmp_path / "hostile.7"
    path.write_text(page.text())
    text = flat(rendered(path))
    for hostile in HOSTILE:
        shown = flat("".join(c if c.isprintable() else " " for c in hostile)).replace("`ticks", "`ticks")
        assert text.count(shown) >= 3, shown
    done = tools.mandoc().run("-T", "lint", "-W", "warning", path)
    assert done.returncode == 0, done.stdout
