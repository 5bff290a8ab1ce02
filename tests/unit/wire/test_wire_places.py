"""Where things are when nobody says so."""

import pytest

from tmd.wire.places import default_places, home_for_files, homeless


def test_who_has_no_home_gets_a_directory_of_his_own() -> None:
    places = default_places({}, 12345, "")
    assert homeless(12345) == "/tmp/taskmaster-12345"
    assert (places.socket, places.pidfile) == (
        "/tmp/taskmaster-12345/taskmaster/run/tmd.sock",
        "/tmp/taskmaster-12345/taskmaster/run/tmd.pid",
    )
    assert places.state == "/tmp/taskmaster-12345/taskmaster"
    assert default_places({}, 0, "").run == "/run/taskmaster"


def test_what_the_environment_names_needs_no_home() -> None:
    environ = {"XDG_STATE_HOME": "/s", "XDG_RUNTIME_DIR": "/r"}
    assert default_places(environ, 1000, "") == default_places(environ, 1000, "/home/web")
    assert default_places(environ, 1000, "").run == "/r/taskmaster"


@pytest.mark.parametrize(
    ("home", "writable", "wanted"),
    [
        ("/home/web", {"/home/web"}, "/home/web"),
        ("/home/web", {"/home/web/.local/state"}, "/home/web"),
        ("/home/web", set(), ""),
        ("/", set(), ""),
        ("~", {"~"}, ""),
        ("", {""}, ""),
    ],
)
def test_which_home_can_hold_files(home: str, writable: set[str], wanted: str) -> None:
    assert home_for_files(home, writable.__contains__) == wanted
