"""Where pages are served in the native dialect: as said, or for this machine where a log is named and nothing said."""

from pathlib import Path

import pytest

from tests.unit.config.test_config_native import settings
from tmd.config.settings import ServerSpec

PAGES = ServerSpec(section="http", family="inet", host="127.0.0.1", port=4242, fallback=True)


def inet(tmp_path: Path, text: str, name: str = "t.yaml") -> list[ServerSpec]:
    return [server for server in settings(tmp_path, text, name).servers if server.family == "inet"]


def test_with_a_log_there_are_pages(tmp_path: Path) -> None:
    assert inet(tmp_path, "taskmaster: {logfile: /srv/tmd.log}\nprograms: {}\n") == [PAGES]
    assert inet(tmp_path, "[taskmaster]\nlogfile = /srv/tmd.log\n[web]\ncmd = x\n", "t.ini") == [PAGES]


@pytest.mark.parametrize("said", ["false", "none", "off", "no", "~", ""])
def test_unless_nobody_wants_them(tmp_path: Path, said: str) -> None:
    assert inet(tmp_path, f"taskmaster:\n  logfile: /srv/tmd.log\n  http: {said}\nprograms: {{}}\n") == []


def test_or_they_are_elsewhere(tmp_path: Path) -> None:
    (server,) = inet(tmp_path, "taskmaster: {logfile: /srv/tmd.log, http: 9001}\nprograms: {}\n")
    assert (server.host, server.port, server.fallback) == ("127.0.0.1", 9001, False)
    text = "[taskmaster]\nlogfile = /srv/tmd.log\n[inet_http_server]\nport = 127.0.0.1:9002\n[web]\ncmd = x\n"
    assert [server.port for server in inet(tmp_path, text, "t.ini")] == [9002]


def test_without_a_log_there_are_none(tmp_path: Path) -> None:
    assert inet(tmp_path, "taskmaster: {loglevel: info}\nprograms: {}\n") == []
    assert inet(tmp_path, "programs: {web: {cmd: x}}\n") == []


def test_supervisors_dialect_has_none(tmp_path: Path) -> None:
    assert inet(tmp_path, "[supervisord]\nlogfile=/srv/d.log\n", "supervisord.conf") == []


def test_programs_are_not_sent_there(tmp_path: Path) -> None:
    text = "taskmaster: {logfile: /srv/tmd.log, socket: false}\nprograms: {}\n"
    assert settings(tmp_path, text).serverurl is None
