"""What is repeated of the words of the other side, and what never is."""

import json
from urllib.parse import quote

import pytest

from tmd.daemon.sinks.discretion import MAX_QUOTED, Discretion, encoded, server_of

SECRET = 'PATH/s3cr\xe9t "a b"&<c>'


@pytest.mark.parametrize(
    "spelled",
    [
        SECRET,
        SECRET.lower(),
        quote(SECRET),
        quote(SECRET, safe="").lower(),
        SECRET.replace(" ", "+"),
        SECRET.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;"),
        SECRET.replace('"', "&#34;").replace("<", "&#x3c;"),
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET).replace("/", "\\/")[1:-1],
        SECRET.replace(" ", "\r\n  "),
        SECRET.encode().decode("latin-1"),
    ],
)
def test_a_secret_is_hidden_however_it_is_spelled(spelled: str) -> None:
    discretion = Discretion([SECRET])
    assert discretion.quoted(f"no hook {spelled}, sorry") == "no hook ..., sorry"
    assert discretion.quoted(f"x{spelled}y".encode()) == "x...y"


def test_a_short_secret_is_hidden_as_a_word() -> None:
    discretion = Discretion(["ab", "ops", "", " "])
    assert discretion.quoted("ab: cab, grab: props of ops!") == "...: cab, grab: props of ...!"


def test_the_longest_secret_wins() -> None:
    assert Discretion(["hook", "hook/of/many", "many"]).quoted("POST /hook/of/many?") == "POST /...?"


def test_base64_is_hidden_with_and_without_its_padding() -> None:
    discretion = Discretion([encoded("\0user\0password1")])
    for text in ("AHVzZXIAcGFzc3dvcmQx", "AHVzZXIAcGFzc3dvcmQx=="):
        assert discretion.quoted(f"AUTH PLAIN {text}").rstrip("=") == "AUTH PLAIN ..."


def test_nothing_is_hidden_where_nothing_is_secret() -> None:
    assert Discretion([]).quoted(" a\tb\n\x1b[2J ") == "a b ^[[2J"


def test_a_quote_is_short_and_what_is_cut_off_was_masked_before() -> None:
    text = "y" * (MAX_QUOTED - 4) + " SECRETSECRET"
    assert Discretion(["SECRETSECRET"]).quoted(text) == "y" * (MAX_QUOTED - 4) + " ..."
    assert Discretion([]).quoted("z" * 5000) == "z" * MAX_QUOTED + "..."


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:pw@host:1/SECRET?x#y", "https://host:1/..."),
        ("/SECRET", "..."),
        ("SECRET", "..."),
        ("", "..."),
        ("http://host?SECRET", "http://host"),
    ],
)
def test_of_a_url_the_server_is_shown(url: str, shown: str) -> None:
    assert server_of(url) == shown
