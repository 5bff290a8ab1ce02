"""Alerts in every format and dialect, and everything that can be wrong with one."""

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.unit.config.hosts import made_up_host
from tests.unit.config.test_config_native import load, problems
from tmd.config.alert_options import ALERT, OPTIONS_OF
from tmd.config.load import Loaded, load_file
from tmd.config.settings import FACILITIES, AlertSpec
from tmd.tree.problems import ConfigRefused
from tmd.wire.alerts import ALERT_EVENTS, SERIOUS

HOST = made_up_host(files=("/usr/sbin/sendmail", "/opt/msmtp"))
WANTED = (
    AlertSpec(name="file", kind="file", path="/var/log/taskmaster/alerts.jsonl"),
    AlertSpec(
        name="chat",
        kind="webhook",
        events=("process_exited:unexpected", "process_fatal"),
        programs=("web", "*:web"),
        url="https://hooks.example.com/x?a=b",
        headers={"X-Team": "ops", "Authorization": "Bearer 1"},
        secret="hush",
        timeout=2.5,
    ),
    AlertSpec(name="syslog", kind="syslog", facility="local3"),
    AlertSpec(
        name="mail",
        kind="email",
        to=("ops@example.com", "root"),
        sender="tmd@example.com",
        smtp_host="mail.example.com",
        smtp_port=587,
        security="starttls",
        username="tmd",
        password="hush",
    ),
    AlertSpec(name="file-2", kind="file", path="/tmp/all.jsonl", maxbytes=2048, backups=0),
)
FORMATS = {
    "t.yaml": """\
taskmaster:
  alerts:
    - file: alerts.jsonl
    - name: chat
      webhook: "https://hooks.example.com/x?a=b"
      events: [process_exited:unexpected, PROCESS_FATAL, process_fatal]
      programs: [web, '*:web']
      headers: {X-Team: ops, Authorization: Bearer 1}
      secret: hush
      timeout: 2500ms
    - syslog: local3
    - {name: mail, email: [ops@example.com, root], from: tmd@example.com, smtp: mail.example.com, security: starttls,
       username: tmd, password: hush}
    - {file: /tmp/all.jsonl, file_maxbytes: 2K, file_backups: 0}
programs: {web: {command: w}}
""",
    "t.json": """\
{"taskmaster": {"alerts": [{"file": "alerts.jsonl"},
  {"name": "chat", "webhook": "https://hooks.example.com/x?a=b", "programs": "web,*:web", "secret": "hush",
   "events": "process_exited:unexpected,process_fatal", "timeout": 2.5,
   "headers": "X-Team=ops,Authorization='Bearer 1'"},
  {"syslog": "LOCAL3"},
  {"name": "mail", "email": "ops@example.com,root", "from": "tmd@example.com", "smtp": "mail.example.com:587",
   "security": "starttls", "username": "tmd", "password": "hush"},
  {"file": "/tmp/all.jsonl", "file_maxbytes": 2048, "file_backups": "0"}]},
 "programs": {"web": {"command": "w"}}}
""",
    "t.toml": """\
[programs.web]
command = "w"
[[taskmaster.alerts]]
file = "alerts.jsonl"
[[taskmaster.alerts]]
name = "chat"
webhook = "https://hooks.example.com/x?a=b"
events = ["process_exited:unexpected", "process_fatal"]
programs = ["web", "*:web"]
secret = "hush"
timeout = 2.5
[taskmaster.alerts.headers]
X-Team = "ops"
Authorization = "Bearer 1"
[[taskmaster.alerts]]
syslog = "local3"
[[taskmaster.alerts]]
name = "mail"
email = ["ops@example.com", "root"]
from = "tmd@example.com"
smtp = "mail.example.com"
security = "starttls"
username = "tmd"
password = "hush"
[[taskmaster.alerts]]
file = "/tmp/all.jsonl"
file_maxbytes = "2K"
file_backups = 0
""",
    "t.ini": """\
[taskmaster]
[program:web]
command = w
[alert:file]
file = alerts.jsonl
[alert:chat]
webhook = https://hooks.example.com/x?a=b
events = process_exited:unexpected, process_fatal
programs = web, *:web
headers = X-Team=ops,Authorization="Bearer 1"
secret = hush
timeout = 2.5
[alert:syslog]
syslog = local3
[alert:mail]
email = ops@example.com, root
from = tmd@example.com
smtp = mail.example.com
security = starttls
username = tmd
password = hush
[alert:file-2]
file = /tmp/all.jsonl
file_maxbytes = 2K
file_backups = 0
""",
}
SUPERVISORS = FORMATS["t.ini"].replace("[taskmaster]", "[supervisord]\nlogfile=/var/log/taskmaster/x")


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_says_the_same(name: str, tmp_path: Path) -> None:
    loaded = load(tmp_path, FORMATS[name], name, HOST)
    assert loaded.settings.alerts == WANTED
    assert loaded.warnings == ()


def test_supervisors_dialect_says_the_same(tmp_path: Path) -> None:
    host = made_up_host(directories=("/", "/tmp", "/var/log/taskmaster"), files=("/usr/sbin/sendmail",))
    loaded = load(tmp_path, SUPERVISORS, "t.conf", host)
    assert loaded.settings.alerts == WANTED
    assert loaded.warnings == ()


def test_defaults_agree_with_the_settings() -> None:
    fields = {field.name: field.default for field in msgspec.structs.fields(AlertSpec)}
    names = {"file_maxbytes": "maxbytes", "file_backups": "backups"}
    for option in ALERT:
        field = names.get(option.name, option.name)
        if option.default is not None and option.name != "headers":
            assert option.default == fields[field], option.name


def alerts(tmp_path: Path, daemon: str, *, name: str = "t.yaml", files: tuple[str, ...] = ()) -> Loaded:
    text = f"[taskmaster]\n{daemon}\n[web]\ncommand=x\n" if name.endswith("ini") else None
    text = text or f"taskmaster:\n  {daemon}\nprograms: {{web: {{command: x}}}}\n"
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return load_file(str(path), made_up_host(files=("/usr/sbin/sendmail", *files)))


def one(tmp_path: Path, written: str, **more: Any) -> AlertSpec:
    (spec,) = alerts(tmp_path, f"alerts: [{{{written}}}]", **more).settings.alerts
    return spec


def test_an_address_for_the_whole_daemon_is_an_alert_about_what_is_serious(tmp_path: Path) -> None:
    serious = AlertSpec(name="email", kind="email", to=("ops@example.com",), events=SERIOUS)
    assert alerts(tmp_path, "email: ops@example.com").settings.alerts == (serious,)
    assert alerts(tmp_path, "email = ops@example.com", name="t.ini").settings.alerts == (serious,)
    two = alerts(tmp_path, "email: [a@x, b]").settings.alerts[0]
    assert two.to == ("a@x", "b")
    supervisors = "[supervisord]\nemail=ops@example.com\n[program:web]\ncommand=x\n"
    assert load(tmp_path, supervisors, "t.conf", HOST).settings.alerts == (serious,)
    beside = alerts(tmp_path, "alerts: [{email: a, programs: web}, {name: email-2, syslog: user}]\n  email: b")
    assert [(spec.name, spec.kind) for spec in beside.settings.alerts] == [
        ("email", "email"),
        ("email-2", "syslog"),
        ("email-3", "email"),
    ]


def test_one_mapping_is_one_alert_and_nothing_is_none(tmp_path: Path) -> None:
    assert alerts(tmp_path, "alerts: {syslog: mail}").settings.alerts == (
        AlertSpec(name="syslog", kind="syslog", facility="mail"),
    )
    assert alerts(tmp_path, "alerts:").settings.alerts == ()
    assert alerts(tmp_path, "alerts: []").settings.alerts == ()


def test_a_relative_file_counts_from_where_the_daemons_own_log_is(tmp_path: Path) -> None:
    assert one(tmp_path, "file: a.jsonl").path == "/var/log/taskmaster/a.jsonl"
    (spec,) = alerts(tmp_path, f"logfile: {tmp_path}/x.log\n  alerts: {{file: ./a.jsonl}}").settings.alerts
    assert spec.path == f"{tmp_path}/a.jsonl"
    (spec,) = alerts(tmp_path, f"logfile: syslog\n  childlogdir: {tmp_path}\n  alerts: {{file: a}}").settings.alerts
    assert spec.path == f"{tmp_path}/a"
    assert one(tmp_path, "file: ~/a").path == "/home/web/a"
    assert one(tmp_path, "file: '%(here)s/a'").path == f"{tmp_path}/a"


VALUES: list[tuple[str, str, Any]] = [
    ("syslog: ", "facility", "daemon"),
    ("syslog: ''", "facility", "daemon"),
    *((f"syslog: {facility}", "facility", facility) for facility in FACILITIES),
    *((f"file: a, events: {event}", "events", (event,)) for event in (*ALERT_EVENTS, "process_exited:unexpected")),
    ("webhook: 'http://[::1]:80/'", "url", "http://[::1]:80/"),
    ("webhook: http://u:p@h/x%%20y", "url", "http://u:p@h/x%20y"),
    ("webhook: HTTP://h", "url", "HTTP://h"),
    ("webhook: http://h, headers: {A: '', b: é, c: 1}", "headers", {"A": "", "b": "é", "c": "1"}),
    ("email: a, smtp: h", "smtp_port", 25),
    ("email: a, smtp: h, security: tls", "smtp_port", 465),
    ("email: a, smtp: h, security: starttls", "smtp_port", 587),
    ("email: a, smtp: h:26, security: starttls", "smtp_port", 26),
    ("email: a, smtp: '[::1]:26'", "smtp_port", 26),
    ("email: a, smtp: '[::1]:26'", "smtp_host", "::1"),
    ("email: a, sendmail: /opt/msmtp", "sendmail", "/opt/msmtp"),
    ("email: a, smtp: 127.0.0.1, username: u, password: p", "password", "p"),
    ("email: a+b=c.d@x-y.z", "to", ("a+b=c.d@x-y.z",)),
    ("file: a, timeout: 1", "", "means nothing beside 'file' (known there: events, file_backups, file_maxbytes"),
    ("file: a, name: 'a b'", "", "name: cannot name an alert 'a b' (no blanks, no : and no / in a name)"),
    ('file: a, name: "\\e[31m"', "", "name: cannot name an alert '\\x1b[31m'"),
    ("file: ''", "", "file: cannot be empty"),
    ("file: /no/where/a", "", "cannot use '/no/where/a': there is no directory '/no/where' (make the directory first)"),
    ("file: a, events: proces_exited", "", "events: unknown event 'proces_exited' (did you mean 'process_exited'?)"),
    ("file: a, colour: red", "", "colour: unknown option"),
    ("file: a, webhook: http://h", "", "webhook: cannot stand beside 'file' (make two alerts of it)"),
    ("events: process_fatal", "", "alerts[0]: says nothing of whom to tell (one of file, webhook, email, syslog)"),
    ("webhook: ftp://h", "", "webhook: must begin with http:// or https://"),
    ("webhook: 'http://'", "", "webhook: names no host"),
    ("webhook: http://h:99999", "", "webhook: cannot be read: its port is not a number up to 65535"),
    ("webhook: http://h:0", "", "webhook: cannot have port 0"),
    ("webhook: 'http://[x'", "", "webhook: cannot be read: its host is not one"),
    ("webhook: 'http://h/a b'", "", "webhook: cannot have a blank or a control character in it (write %%20"),
    ("webhook: http://h, headers: {'A b': x}", "", "headers: cannot name a header 'A b' (letters, digits and hyphens)"),
    ("webhook: http://h, headers: {Content-Length: 1}", "", "headers: cannot set 'Content-Length': it follows"),
    ('webhook: http://h, headers: {A: "x\\r\\ny"}', "", "headers: cannot have a line break or another control"),
    ("webhook: http://h, headers: {A: x, a: y}", "", "headers: says a header twice, but for upper and lower case"),
    ("webhook: http://h, headers: {A: [x]}", "", "headers: A must be one value, got a list"),
    ("webhook: http://h, secret: ''", "", "secret: cannot be empty"),
    ("webhook: http://h, timeout: 0", "", "timeout: must be between 0.1 and 600 seconds, got 0"),
    ("webhook: http://h, timeout: 1h", "", "timeout: must be between 0.1 and 600 seconds, got 3600"),
    ("email: []", "", "email: names nobody"),
    ("email: a@b@c", "", "email: cannot be a mail address: 'a@b@c'"),
    ("email: -oQ/tmp", "", "email: cannot be a mail address: '-oQ/tmp'"),
    ("email: 'a b'", "", "email: cannot be a mail address: 'a b'"),
    ("email: '<a@b>'", "", "email: cannot be a mail address: '<a@b>'"),
    ('email: "a@b\\nBcc: c"', "", "email: cannot be a mail address: 'a@b\\nBcc: c'"),
    ("email: ops@exämple.com", "", "email: cannot be a mail address: 'ops@exämple.com'"),
    ("email: a, from: 'x y'", "", "from: cannot be a mail address: 'x y'"),
    ("email: a, smtp: 'h:x'", "", "smtp: cannot be read as host:port (e.g. mail.example.com:587)"),
    ("email: a, smtp: 'h:70000'", "", "smtp: cannot be read as host:port"),
    ("email: a, smtp: h/x", "", "smtp: cannot be read as host:port"),
    ("email: a, smtp: u@h", "", "smtp: cannot be read as host:port (name and password are options of their own: "),
    ("email: a, smtp: h, sendmail: /opt/msmtp", "", "sendmail: means nothing beside 'smtp' (keep one)"),
    ("email: a, security: tls", "", "security: means nothing without 'smtp' (the local sendmail needs none)"),
    ("email: a, smtp: h, security: ssl", "", "security: cannot read 'ssl' (none, starttls, tls)"),
    ("email: a, smtp: h, username: u", "", "username: is not enough: a server wants username and password, or neither"),
    ("email: a, smtp: h, username: u, password: p", "", "password: would send the password to 'h' in the clear (set"),
    ("email: a, sendmail: msmtp", "", "sendmail: must be an absolute path, got 'msmtp'"),
    ("email: a, sendmail: /opt/no", "", "sendmail: cannot use '/opt/no': there is no such file"),
    ("syslog: lcal0", "", "syslog: cannot read 'lcal0' (did you mean 'local0'?)"),
]


@pytest.mark.parametrize(("written", "field", "wanted"), VALUES)
def test_values(written: str, field: str, wanted: Any, tmp_path: Path) -> None:
    if field:
        assert getattr(one(tmp_path, written, files=("/opt/msmtp",)), field) == wanted
        return
    with pytest.raises(ConfigRefused) as caught:
        one(tmp_path, written, files=("/opt/msmtp",))
    (problem,) = caught.value.text.splitlines()
    assert problem.startswith(f"{tmp_path}/t.yaml:2:")
    assert "taskmaster.alerts[0]" in problem
    assert wanted in problem


def test_what_is_no_alert_has_a_place_in_every_format(tmp_path: Path) -> None:
    assert problems(tmp_path, "taskmaster:\n  alerts:\n    - file: a\n    - 3\n") == [
        "4:7: taskmaster.alerts[1]: must be a mapping, got a text (e.g. {file: alerts.jsonl}; in INI a section "
        "[alert:NAME])"
    ]
    assert problems(tmp_path, "[taskmaster]\nalerts = a.jsonl\n", "t.ini")[0].startswith(
        "2:10: taskmaster.alerts: must be a mapping, got a text"
    )
    toml = '[[taskmaster.alerts]]\nfile = "a"\n[[taskmaster.alerts]]\nfile = "b"\ncolour = "red"\n'
    assert problems(tmp_path, toml, "t.toml") == ["5:1: taskmaster.alerts[1].colour: unknown option"]
    assert problems(tmp_path, "[alert:a b]\nfile=a\n[taskmaster]\n", "t.ini") == [
        "1:1: alert:a b: cannot name an alert 'a b' (no blanks, no : and no / in a name)"
    ]
    assert problems(tmp_path, "[alert:a]\nfile=a\nname=b\n[taskmaster]\n", "t.ini") == [
        "3:1: alert:a.name: unknown option (did you mean 'username'?)"
    ]


def test_two_alerts_of_one_name(tmp_path: Path) -> None:
    text = "taskmaster:\n  alerts:\n    - {name: a, file: a}\n    - {name: a, file: b}\n"
    (problem,) = problems(tmp_path, text)
    assert problem.startswith("4:7: taskmaster.alerts[1]: another alert has the name 'a', too (the other is at ")


def test_supervisors_dialect_warns_of_a_key_nobody_knows_and_refuses_what_is_wrong(tmp_path: Path) -> None:
    head = "[supervisord]\n[program:web]\ncommand=x\n[alert:a]\n"
    loaded = load(tmp_path, f"{head}syslog=user\ncolour=red\n", "t.conf", HOST)
    assert loaded.settings.alerts == (AlertSpec(name="a", kind="syslog", facility="user"),)
    assert loaded.warnings == (f"{tmp_path}/t.conf:6:1: alert:a.colour: unknown option, ignored",)
    assert problems(tmp_path, f"{head}webhook=ftp://x\n", "t.conf") == [
        "5:1: alert:a.webhook: must begin with http:// or https:// (e.g. https://hooks.example.com/taskmaster)"
    ]
    clear = load(tmp_path, f"{head}email=a\nsmtp=h\nusername=u\npassword=p\n", "t.conf", HOST)
    assert "alert:a.password: would send the password to 'h' in the clear" in clear.warnings[0]


def test_what_is_said_for_all_sections_is_not_said_of_alerts(tmp_path: Path) -> None:
    text = "[DEFAULT]\nevents=TICK_5\nusername=u\n[supervisord]\n[program:web]\ncommand=x\n[alert:a]\nsyslog=user\n"
    assert load(tmp_path, text, "t.conf", HOST).settings.alerts == (
        AlertSpec(name="a", kind="syslog", facility="user"),
    )


def test_a_filter_that_means_no_program_is_told(tmp_path: Path) -> None:
    written = "taskmaster: {alerts: [{file: a, programs: [wbe, 'w*', 'site:*', app, 'site:api_0?']}]}\n"
    programs = "programs: {web: {command: x}, api: {command: x, numprocs: 2}, app: {command: x}}\n"
    loaded = load(tmp_path, f"{written}{programs}groups: {{site: {{programs: [api]}}}}\n", host=HOST)
    assert loaded.warnings == (
        f"{tmp_path}/t.yaml:1:33: taskmaster.alerts[0].programs: there is no program 'wbe' (did you mean 'web'?)",
    )


def test_a_filter_can_name_a_program_with_brackets(tmp_path: Path) -> None:
    written = "taskmaster: {alerts: [{file: a, programs: ['web[1]', 'web[2]', '*[1]']}]}\n"
    loaded = load(tmp_path, f"{written}programs: {{'web[1]': {{command: x}}}}\n", host=HOST)
    assert loaded.warnings == (
        f"{tmp_path}/t.yaml:1:33: taskmaster.alerts[0].programs: there is no program 'web[2]' (did you mean 'web[1]'?)",
    )


HINT = "(an alert wants a file of its own)"
OTHERS = [
    ("tmd.log", "it is the daemon's own log"),
    ("./x/../tmd.log", "it is the daemon's own log"),
    ("tmd.pid", "it is the daemon's pidfile"),
    ("web_1.log", "it is a log of web:web_01"),
    ("err.log", "it is a log of web:web_00"),
    (".", "it is a directory"),
    ("sub/", "it is a directory"),
]


@pytest.mark.parametrize("dialect", ["native", "supervisor"])
@pytest.mark.parametrize(("written", "why"), OTHERS)
def test_an_alert_has_a_file_of_its_own(written: str, why: str, dialect: str, tmp_path: Path) -> None:
    daemon = f"logfile={tmp_path}/tmd.log\npidfile={tmp_path}/tmd.pid\n"
    program = (
        "[program:web]\ncommand=x\nnumprocs=2\nprocess_name=web_%(process_num)02d\n"
        f"stdout_logfile={tmp_path}/web_%(process_num)d.log\nstderr_logfile={tmp_path}/err.log\n"
    )
    (tmp_path / "sub").mkdir()
    header, name = ("[supervisord]", "t.conf") if dialect == "supervisor" else ("[taskmaster]", "t.ini")
    text = f"[alert:a]\nfile={written}\n{header}\n{daemon}{program}"
    (problem,) = problems(tmp_path, text, name)
    path = os.path.normpath(f"{tmp_path}/{written}")
    assert problem == f"2:1: alert:a.file: cannot use '{path}': {why} {HINT}"


def test_two_alerts_have_two_files_unless_it_is_a_device(tmp_path: Path) -> None:
    head = f"taskmaster:\n  logfile: {tmp_path}/l\n  alerts:\n"
    (problem,) = problems(tmp_path, f"{head}    - file: x\n    - file: ./x\nprograms: {{web: {{command: x}}}}\n")
    other = f"it is that of the alert at {tmp_path}/t.yaml:4:7"
    assert problem == f"5:7: taskmaster.alerts[1].file: cannot use '{tmp_path}/x': {other} {HINT}"
    devices = "taskmaster:\n  logfile: /dev/stdout\n  alerts:\n    - file: /dev/stdout\n    - file: /dev/stdout\n"
    host = made_up_host(directories=("/dev", "/run/taskmaster", "/var/log/taskmaster"))
    assert len(load(tmp_path, devices, host=host).settings.alerts) == 2


def test_mail_that_cannot_go_out_is_told(tmp_path: Path) -> None:
    text = "taskmaster:\n  email: root\n  alerts: [{email: a}, {email: b, smtp: h}]\nprograms: {web: {command: x}}\n"
    loaded = load(tmp_path, text)
    said = "no mail will go out: there is no '/usr/sbin/sendmail' (install one, or name a mail server with smtp)"
    assert loaded.warnings == (
        f"{tmp_path}/t.yaml:3:13: taskmaster.alerts[0].email: {said}",
        f"{tmp_path}/t.yaml:2:3: taskmaster.email: {said}",
    )


SECRET = "s3cr3t"
LEAKS = (
    f"webhook: http://h/{SECRET}%x",
    f"webhook: ftp://h/{SECRET}",
    f"webhook: http://h:{SECRET}/",
    f"webhook: 'http://h/{SECRET} {SECRET}'",
    f"webhook: http://h, secret: {SECRET}%",
    f"webhook: http://h, secret: [{SECRET}]",
    f"webhook: http://h, headers: {{Authorization: '{SECRET}%'}}",
    f"webhook: http://h, headers: 'Authorization=\"{SECRET}'",
    f'webhook: http://h, headers: {{Authorization: "{SECRET}\\n"}}',
    f"email: a, smtp: h, username: u, password: '{SECRET}%(x)s'",
    f"email: a, smtp: h, username: u, password: {SECRET}",
    f"file: a, secret: {SECRET}",
    f"email: a, smtp: 'u:{SECRET}@h:25'",
    f"email: a, smtp: 'u:{SECRET}%@h'",
)


@pytest.mark.parametrize("written", LEAKS)
def test_no_problem_repeats_a_secret(written: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigRefused) as caught:
        one(tmp_path, written)
    assert SECRET not in f"{caught.value.text}{caught.value.supervisor_text}"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.conf", "[supervisord]\n[alert:a]\nwebhook=http://h\nsecret=s3cr3t%\n"),
        ("t.conf", "[supervisord]\n[inet_http_server]\nport=127.0.0.1:1\nusername=u\npassword=s3cr3t%\n"),
        ("t.yaml", "taskmaster: {http: {port: 1, username: u, password: 's3cr3t%'}}\nprograms: {a: {command: x}}\n"),
        ("t.yaml", "taskmaster: {alerts: http://h/s3cr3t}\nprograms: {a: {command: x}}\n"),
        ("t.yaml", "taskmaster: {alerts: [http://h/s3cr3t]}\nprograms: {a: {command: x}}\n"),
        ("t.ini", "[taskmaster]\nalerts = http://h/s3cr3t\n[program:a]\ncommand = x\n"),
        ("t.yaml", "ctl: {username: u, password: 's3cr3t%'}\nprograms: {a: {command: x}}\n"),
    ],
)
def test_nor_does_one_of_another_section_or_dialect(name: str, text: str, tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, text, name, HOST)
    assert SECRET not in problem
    assert any(reason in problem for reason in ("expand", "badly formatted", "got a text"))


def test_every_option_of_an_alert_belongs_to_a_kind() -> None:
    own = {option.name for options in OPTIONS_OF.values() for option in options}
    assert {option.name for option in ALERT} - own == {"name", "events", "programs"}
    assert all(option.kind.supervisor is None for option in ALERT)
