"""What a container's runtime asks: open to everybody, and never with a name or a reason to keep a secret."""

import base64
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.http.fake_daemon import group_of, spec_of
from tests.unit.http.serving import Serving
from tmd.config.settings import Dialect
from tmd.wire.states import DaemonState, ProcessState

S = ProcessState
SECRET = {"username": "user", "password": "secret"}


def probe(serving: Serving, path: str = "/readyz", **headers: str) -> tuple[int, str]:
    status, fields, body = serving.get(path, **headers)
    assert fields["Content-Type"] == "text/plain"
    return status, body.decode()


def test_the_sequence_from_nothing_to_ready(serve: Callable[..., Serving]) -> None:
    serving = serve()
    daemon = serving.daemon
    assert probe(serving) == (200, "ready\n")  # with nothing to wait for
    daemon.add(group_of("web", spec_of("web")), S.STOPPED)
    daemon.add(group_of("job", spec_of("job", exitcodes=(0, 2))), S.STARTING)
    daemon.add(group_of("later", spec_of("later", autostart=False)), S.STOPPED)
    assert probe(serving) == (503, "not ready: 0 of 2 programs are\n")
    for state in (S.STARTING, S.BACKOFF, S.STOPPING, S.FATAL, S.UNKNOWN, S.STOPPED):
        daemon.change("web", state=state)
        assert probe(serving) == (503, "not ready: 0 of 2 programs are\n"), state
    daemon.change("web", state=S.RUNNING)
    assert probe(serving) == (503, "not ready: 1 of 2 programs are\n")
    daemon.change("job", state=S.EXITED, exitstatus=1)
    assert probe(serving) == (503, "not ready: 1 of 2 programs are\n")
    daemon.change("job", exitstatus=2)
    assert probe(serving) == (200, "ready\n")
    daemon.change("web", state=S.STOPPED, stopped_by_hand=True)
    assert probe(serving) == (200, "ready\n")  # the operator knows


@pytest.mark.parametrize("state", [state for state in DaemonState if state is not DaemonState.RUNNING])
def test_while_the_daemon_ends_it_is_alive_and_not_ready(state: DaemonState, serving: Serving) -> None:
    serving.daemon.state = state
    assert probe(serving) == (503, "not ready: the daemon is ending or starting again\n")
    assert probe(serving, "/healthz") == (200, "alive\n")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/healthz?verbose=1"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Host": "10.1.2.3:9001"},
        {"Host": "evil.example"},
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Authorization": "Basic " + base64.b64encode(b"user:wrong").decode()},
    ],
)
@pytest.mark.parametrize("spec", [{}, {"family": "inet"}, SECRET, {"family": "inet", **SECRET}])
def test_who_asks_needs_nobodys_leave(
    spec: dict[str, Any], headers: dict[str, str], path: str, serve: Callable[..., Serving]
) -> None:
    serving = serve(dialect=Dialect.NATIVE, **spec)
    assert serving.get(path, **headers)[0] == 200


def test_everything_else_is_guarded_as_ever(serve: Callable[..., Serving]) -> None:
    serving = serve(dialect=Dialect.NATIVE, family="inet", **SECRET)
    for path in (
        "/",
        "/healthz/",
        "/readyz/x",
        "/healthzz",
        "/Healthz",
        "//healthz",
        "/%68ealthz",
        "/metrics",
        "/x/../healthz",
    ):
        assert serving.get(path)[0] == 401, path


def test_no_page_of_another_origin_can_read_an_answer(serving: Serving) -> None:
    _, fields, _ = serving.get("/readyz", Origin="https://evil.example")
    assert not [name for name in fields if name.lower().startswith("access-control")]


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_only_to_be_asked(path: str, serving: Serving) -> None:
    status, fields, body = serving.get(path, method="HEAD")
    assert (status, body) == ((200 if path == "/healthz" else 503), b"")
    assert int(fields["Content-Length"]) > 0
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        status, fields, _ = serving.get(path, method=method)
        assert (status, fields["Allow"]) == (405, "GET, HEAD"), method


def test_no_names_are_told(serve: Callable[..., Serving]) -> None:
    serving = serve(**SECRET)
    serving.daemon.add(group_of("topsecret", spec_of("topsecret")), S.FATAL)
    assert probe(serving) == (503, "not ready: 0 of 1 programs are\n")
