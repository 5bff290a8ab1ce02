"""The files of the pages: served with their type, kept by browsers for as long as they are the same."""

import re
from pathlib import Path

import pytest

from tests.unit.http.serving import Serving
from tmd.http import assets

PLACE = Path(assets.PLACE)

NAMES = sorted(path.name for path in PLACE.iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_each_file_is_served_as_it_is(serving: Serving, name: str) -> None:
    status, headers, body = serving.get(f"/assets/{name}")
    assert status == 200
    assert body == (PLACE / name).read_bytes()
    expected = {"js": "text/javascript;charset=utf-8", "css": "text/css;charset=utf-8", "svg": "image/svg+xml"}
    assert headers["Content-Type"] == expected[name.rpartition(".")[2]]
    assert headers["Cache-Control"] == "no-cache"
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("known", ["{tag}", "W/{tag}", '"other", {tag}'])
def test_a_browser_that_has_it_is_told_so(serving: Serving, known: str) -> None:
    tag = serving.get("/assets/page.css")[1]["ETag"]
    assert re.fullmatch('"[0-9a-f]+-[0-9a-f]+"', tag)
    status, headers, body = serving.get("/assets/page.css", **{"If-None-Match": known.format(tag=tag)})
    assert (status, body, headers["ETag"]) == (304, b"", tag)
    assert serving.get("/assets/page.css", **{"If-None-Match": '"other"'})[0] == 200


@pytest.mark.parametrize(
    "path", ["/assets/", "/assets/none.css", "/assets/../web.py", "/assets/%2e%2e/web.py", "/assets//etc/passwd"]
)
def test_there_is_nothing_else(serving: Serving, path: str) -> None:
    assert serving.get(path)[0] == 404


def test_they_are_only_read(serving: Serving) -> None:
    status, headers, _ = serving.get("/assets/app.js", "POST")
    assert (status, headers["Allow"]) == (405, "GET, HEAD")
    status, headers, body = serving.get("/assets/app.js", "HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) == len((PLACE / "app.js").read_bytes())


def test_scripts_make_no_markup_and_load_nothing_from_elsewhere() -> None:
    for path in PLACE.iterdir():
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function", text), path
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), path
        for imported in re.findall(r'(?:from|import\() ?"([^"]+)"', text):
            assert (PLACE / imported).exists(), (path, imported)


def test_every_part_of_the_style_sheet_is_closed() -> None:
    text = (PLACE / "page.css").read_text(encoding="utf-8")
    assert text.count("{") == text.count("}")
    unknown = set(re.findall(r"var\((--[a-z-]+)\)", text)) - set(re.findall(r"(--[a-z-]+):", text))
    assert unknown == set()
