"""Where tmctl finds its server."""

from pathlib import Path

import pytest

from tests.unit.tmctl.conftest import Tmctl
from tests.unit.tmctl.fake_daemon import FakeDaemon
from tmctl.config import BadConfig, Surroundings, Target, Wishes, find_target


def surroundings(home: Path, **environ: str) -> Surroundings:
    places = {"XDG_RUNTIME_DIR": str(home / "run"), "XDG_CONFIG_HOME": str(home / "config")}
    return Surroundings({**places, **environ}, 1000, str(home), str(home / "bin"))


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def target_of(tmp_path: Path, name: str, text: str, **environ: str) -> Target:
    (tmp_path / name).write_text(text)
    return find_target(Wishes(config=str(tmp_path / name)), surroundings(tmp_path, **environ))


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tmctl.config.config_candidates", lambda *_, **__: ())


@pytest.mark.usefixtures("nothing_installed")
def test_under_supervisors_name_the_default_is_supervisors(tmp_path: Path) -> None:
    target = find_target(Wishes(), surroundings(tmp_path)._replace(called="supervisorctl"))
    assert (target.url, target.prompt, target.pidfile) == ("http://localhost:9001", "supervisor", None)


def test_supervisors_defaults_section_counts_for_the_client(tmp_path: Path) -> None:
    text = "[DEFAULT]\nusername=me\nprompt=not this\n[supervisorctl]\nprompt=mine\n"
    target = target_of(tmp_path, "supervisord.conf", text)
    assert (target.username, target.prompt, target.url) == ("me", "mine", "http://localhost:9001")


@pytest.mark.usefixtures("nothing_installed")
def test_without_anything_it_is_the_default_socket(tmp_path: Path) -> None:
    target = find_target(Wishes(), surroundings(tmp_path))
    assert target.url == f"unix://{tmp_path}/run/taskmaster/tmd.sock"
    assert target.prompt == "taskmaster"


def test_the_first_file_of_the_search_counts(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "supervisord.conf").write_text("[supervisorctl]\nserverurl=unix:///first\n")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "supervisord.conf").write_text("[supervisorctl]\nserverurl=unix:///from/etc\n")
    assert find_target(Wishes(), surroundings(tmp_path)).url == "unix:///from/etc"


def test_supervisors_section(tmp_path: Path) -> None:
    text = """
[unix_http_server]
file = /not/this
[supervisord]
pidfile = /var/run/s.pid
[supervisorctl]
serverurl = unix://%(here)s/%(ENV_NAME)s.sock ; comment
username = me
password = secret
prompt = mine
history_file = ~/history
"""
    target = target_of(tmp_path, "supervisord.conf", text, NAME="x")
    assert target.url == f"unix://{tmp_path}/x.sock"
    assert (target.username, target.password, target.prompt) == ("me", "secret", "mine")
    assert target.history_file is not None
    assert target.history_file.endswith("/history")
    assert target.pidfile == "/var/run/s.pid"


def test_supervisors_default_url_and_prompt(tmp_path: Path) -> None:
    target = target_of(tmp_path, "s.conf", "[supervisord]\n[supervisorctl]\n")
    assert (target.url, target.prompt) == ("http://localhost:9001", "supervisor")


def test_supervisors_file_without_the_section_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=r"^\.ini file does not include supervisorctl section$"):
        target_of(tmp_path, "s.conf", "[supervisord]\n")


def test_includes_are_read(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "ctl.conf").write_text("[supervisorctl]\nserverurl=unix:///included\n")
    (tmp_path / "conf.d" / "broken.conf").write_text("no section\n")
    text = "[supervisord]\n[include]\nfiles = conf.d/*.conf\n"
    assert target_of(tmp_path, "s.conf", text).url == "unix:///included"


@pytest.mark.parametrize(
    ("name", "text", "url"),
    [
        ("t.yaml", "taskmaster:\n  socket: /run/x.sock\n", "unix:///run/x.sock"),
        ("t.yaml", "taskmaster:\n  socket: x.sock\n", "unix://{here}/x.sock"),
        ("t.yaml", "taskmaster:\n  socket: {file: /a, username: u, password: p}\n", "unix:///a"),
        ("t.yaml", "taskmaster:\n  http: 9001\n", "unix://{here}/run/taskmaster/tmd.sock"),
        ("t.yaml", "taskmaster:\n  socket: false\n  http: 9001\n", "http://localhost:9001"),
        ("t.yaml", "taskmaster:\n  socket: none\n  http: ['*:80', 9001]\n", "http://localhost:80"),
        ("t.yaml", "taskmaster:\n  socket: no\n  http: {host: 10.0.0.1, port: 81}\n", "http://10.0.0.1:81"),
        ("t.yaml", "taskmaster:\n  socket: /a\nctl:\n  serverurl: http://h:1\n", "http://h:1"),
        ("t.yaml", "programs: {web: {command: x, nonsense: 1}}\n", "unix://{here}/run/taskmaster/tmd.sock"),
        ("t.json", '{"taskmaster": {"socket": "/j"}}', "unix:///j"),
        ("t.toml", '[taskmaster]\nsocket = "/t"\n', "unix:///t"),
        ("t.ini", "[taskmaster]\nsocket = /i\n[web]\ncommand = x\n", "unix:///i"),
        ("t.ini", "[taskmaster]\n[ctl]\nserverurl = unix:///c\n", "unix:///c"),
        ("t.ini", "[taskmaster]\n[supervisorctl]\nserverurl = unix:///s\n", "unix:///s"),
        ("t.ini", "[taskmaster]\n[unix_http_server]\nfile = /u\n", "unix:///u"),
        ("t.ini", "[taskmaster]\nsocket = off\n[inet_http_server:x]\nport = *:7\n", "http://localhost:7"),
        ("t.ini", "[web]\ncommand = x\n", "unix://{here}/run/taskmaster/tmd.sock"),
    ],
)
def test_native_files(name: str, text: str, url: str, tmp_path: Path) -> None:
    assert target_of(tmp_path, name, text).url == url.format(here=tmp_path)


def test_native_credentials_are_the_servers_own_unless_hashed(tmp_path: Path) -> None:
    text = "taskmaster:\n  socket: {file: /a, username: u, password: '%s'}\n"
    target = target_of(tmp_path, "t.yaml", text % "p")
    assert (target.username, target.password) == ("u", "p")
    target = target_of(tmp_path, "t.yaml", text % "{SHA}0000")
    assert (target.username, target.password) == (None, None)


def test_native_includes(tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text("ctl:\n  serverurl: unix:///more\n")
    assert target_of(tmp_path, "t.yaml", "taskmaster:\n  include: more.yaml\n").url == "unix:///more"


def test_flags_beat_environment_and_environment_beats_the_file(tmp_path: Path) -> None:
    (tmp_path / "s.conf").write_text("[supervisorctl]\nserverurl=unix:///f\nusername=fu\npassword=fp\n")
    around = surroundings(
        tmp_path, TMCTL_CONFIG=str(tmp_path / "s.conf"), TMCTL_SERVERURL="unix:///e", TMCTL_USERNAME="eu"
    )
    target = find_target(Wishes(password="wp"), around)
    assert (target.url, target.username, target.password) == ("unix:///e", "eu", "wp")
    target = find_target(Wishes(serverurl="unix:///w", username="wu"), around)
    assert (target.url, target.username, target.password) == ("unix:///w", "wu", "fp")


def test_a_file_nobody_named_does_no_harm_when_the_server_is_named(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "supervisord.conf").write_text("rubbish\n")
    around = surroundings(tmp_path)
    assert find_target(Wishes(serverurl="unix:///w"), around).url == "unix:///w"
    with pytest.raises(BadConfig, match=r"supervisord\.conf:1:1"):
        find_target(Wishes(), around)


@pytest.mark.parametrize(
    "value", ["%(nonsense)s", "%(here)", "100%"], ids=["unknown name", "unfinished", "lone percent"]
)
def test_what_cannot_be_expanded_names_its_place(value: str, tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=r"s\.conf:3:\d+: cannot expand"):
        target_of(tmp_path, "s.conf", f"[supervisorctl]\nserverurl=unix:///x\nprompt={value}\n")


def test_a_file_with_its_server_is_enough(fake: FakeDaemon, tmp_path: Path, tmctl: Tmctl) -> None:
    config = tmp_path / "taskmaster.yaml"
    config.write_text(f"taskmaster:\n  socket: {fake.socket_path}\nprograms:\n  web:\n    command: x\n")
    assert tmctl("-c", str(config), "pid").outcome == ("4242\n", 0)


def test_a_serverurl_that_is_none_names_the_file(tmp_path: Path, tmctl: Tmctl) -> None:
    config = tmp_path / "s.conf"
    config.write_text("[supervisorctl]\nserverurl=nonsense\n")
    ran = tmctl("-c", str(config), "pid")
    assert ran.code == 2
    assert ran.err.startswith(f"Error: invalid value for serverurl in {config} 'nonsense': value 'nonsense' is not")
