"""The gate: passwords, and the rules against pages of other origins and foreign names."""

import base64
import hashlib

import pytest

from tmd.config.settings import ServerSpec
from tmd.http.auth import Gate
from tmd.http.protocol import Head

SHA = "{SHA}" + hashlib.sha1(b"s:cret\xc3\xa9").hexdigest()


def status_of(spec: ServerSpec, method: str = "POST", path: str = "/RPC2", **headers: str) -> int:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    refusal = Gate(spec, "myhost.example.org").refusal(Head(method, path, 1, fields, 0, keep_alive=True))
    if refusal is None:
        return 200
    assert refusal.close
    return refusal.status


def basic(credentials: bytes) -> str:
    return "Basic " + base64.b64encode(credentials).decode()


def unix(password: str | None = None) -> ServerSpec:
    return ServerSpec(section="u", family="unix", username="user" if password else None, password=password)


def inet(password: str | None = None, host: str = "") -> ServerSpec:
    return ServerSpec(
        section="i", family="inet", host=host, port=9001, username="user" if password else None, password=password
    )


@pytest.mark.parametrize("password", ["s:creté", SHA])
def test_the_right_password_is_let_in(password: str) -> None:
    right = basic("user:s:creté".encode())
    assert status_of(unix(password), authorization=right) == 200
    assert status_of(inet(password), authorization=right) == 200
    assert status_of(unix(password), authorization=right.replace("Basic", "bAsIc")) == 200


@pytest.mark.parametrize("password", ["s:creté", SHA])
@pytest.mark.parametrize(
    "authorization",
    [
        basic(b"user:wrong"),
        basic(b"other:s:cret\xc3\xa9"),
        basic(b"user:"),
        basic(f"user:{SHA}".encode()),
        basic(f"user:{SHA[5:]}".encode()),
        basic(b"user:s:cret\xe9"),
        basic(b"no colon"),
        basic(b""),
        "Basic",
        "Basic !!!",
        "Basic abc",
        "Basic \u00e9\u00e9",
        "Bearer dXNlcjpzOmNyZXQ=",
        "",
        " ",
    ],
)
def test_anything_else_is_asked_for_a_password(password: str, authorization: str) -> None:
    assert status_of(unix(password), authorization=authorization) == 401
    assert status_of(unix(password)) == 401


def test_the_realm_is_named() -> None:
    refusal = Gate(unix("x"), "h").refusal(Head("GET", "/", 1, {}, None, keep_alive=True))
    assert refusal is not None
    assert ("WWW-Authenticate", 'Basic realm="default"') in refusal.headers


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "", "http://localhost:9002", "http://evil.example:9001", "localhost:9001"]
)
def test_a_foreign_origin_is_refused_even_with_the_password(origin: str) -> None:
    assert status_of(inet(), host="localhost:9001", origin=origin) == 403
    right = basic(b"user:x")
    assert status_of(inet("x"), host="localhost:9001", origin=origin, authorization=right) == 403
    assert status_of(inet(), "GET", host="localhost:9001", origin=origin) == 403


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:9001", "http://localhost:9001"),
        ("LOCALHOST:9001", "http://localhost:9001"),
        ("localhost", "http://localhost:80"),
        ("localhost", "https://localhost"),
        ("localhost:443", "https://localhost"),
        ("localhost:80", "http://localhost"),
        ("localhost", "HTTPS://LOCALHOST:443"),
        ("[::1]:9001", "http://[::1]:9001"),
    ],
)
def test_the_own_origin_is_let_in(host: str, origin: str) -> None:
    assert status_of(inet(), host=host, origin=origin) == 200


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:9001",
        "127.0.0.1:9001",
        "10.1.2.3",
        "[::1]:9001",
        "[fe80::1%eth0]",
        "myhost.example.org:1",
        "myhost",
        "bound.example.org:9001",
        "supervisor:9001",
        "localhost.",
        "",
    ],
)
def test_local_names_and_addresses_need_no_password(host: str) -> None:
    assert status_of(inet(host="bound.example.org"), host=host) == 200


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:80", "https://localhost"),
        ("localhost:443", "http://localhost"),
        ("localhost", "http://localhost:443"),
        ("localhost", "https://localhost:80"),
        ("localhost", "localhost"),
        ("localhost:9001", "ftp://localhost:9001"),
        ("localhost:9001", "://localhost:9001"),
        ("", "null"),
        ("", ""),
        ("", "http://"),
        ("", "http://:80"),
    ],
)
@pytest.mark.parametrize("spec", [unix(), inet()])
def test_another_scheme_or_port_is_another_origin(spec: ServerSpec, host: str, origin: str) -> None:
    assert status_of(spec, host=host, origin=origin) == 403
    head = Head("POST", "/act", 1, {"host": host, "origin": origin}, 0, keep_alive=True)
    assert Gate.foreign_form(head)


@pytest.mark.parametrize("origin", ["null", "", "http://", "http://localhost"])
@pytest.mark.parametrize("spec", [unix(), inet()])
def test_an_origin_without_a_host_is_foreign(spec: ServerSpec, origin: str) -> None:
    assert status_of(spec, origin=origin) == 403
    assert Gate.foreign_form(Head("POST", "/act", 1, {"origin": origin}, 0, keep_alive=True))


def test_a_client_without_a_host_header_is_let_in() -> None:
    assert status_of(inet()) == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:9001", "127.0.0.1.evil.example", "1.2.3.4.5", "a.b.c.d", "\u0661.1.1.1"]
)
def test_foreign_names_need_a_password(host: str) -> None:
    assert status_of(inet(), host=host) == 403
    assert status_of(inet("x"), host=host, authorization=basic(b"user:x")) == 200


@pytest.mark.parametrize("spec", [unix(), inet(), inet("x")])
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("path", ["/", "/index.html", "/logs", "/program/web:web", "/tail.html", "/metrics"])
def test_others_may_link_to_the_pages_and_do_nothing_more(spec: ServerSpec, site: str, path: str) -> None:
    fetched = {"host": "localhost", "sec_fetch_site": site, "authorization": basic(b"user:x")}
    assert status_of(spec, "GET", path, **fetched, sec_fetch_mode="navigate", sec_fetch_dest="document") == 200
    assert status_of(spec, "GET", path, **fetched, sec_fetch_mode="navigate") == 200
    assert status_of(spec, "POST", path, **fetched, sec_fetch_mode="navigate", sec_fetch_dest="document") == 403
    assert status_of(spec, "GET", path, **fetched, sec_fetch_mode="navigate", sec_fetch_dest="iframe") == 403
    assert status_of(spec, "GET", path, **fetched, sec_fetch_mode="no-cors", sec_fetch_dest="image") == 403
    assert status_of(spec, "GET", path, **fetched) == 403


@pytest.mark.parametrize("path", ["/live", "/live/program/web", "/logtail/web", "/download/main", "/token", "/RPC2"])
def test_not_even_a_link_leads_to_what_is_no_page(path: str) -> None:
    linked = {"host": "localhost", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}
    assert status_of(inet(), "GET", path, **linked, sec_fetch_site="cross-site") == 403
    assert status_of(inet(), "GET", path, **linked, sec_fetch_site="none") == 200


@pytest.mark.parametrize("spec", [unix(), inet()])
def test_what_our_own_pages_ask_for_is_let_in(spec: ServerSpec) -> None:
    for site in ("same-origin", "none"):
        assert status_of(spec, "GET", "/live", host="localhost", sec_fetch_site=site, sec_fetch_mode="cors") == 200
        assert status_of(spec, "POST", "/act", host="localhost", sec_fetch_site=site) == 200


def test_a_unix_socket_takes_any_name_and_no_other_origin() -> None:
    assert status_of(unix(), host="unix") == 200
    assert status_of(unix(), host="behind.a.proxy.example", origin="https://behind.a.proxy.example") == 200
    assert status_of(unix(), host="unix", origin="http://evil.example") == 403
    assert status_of(unix(), host="unix", origin="null") == 403
    assert status_of(unix("x"), host="unix", origin="http://evil.example", authorization=basic(b"user:x")) == 403
