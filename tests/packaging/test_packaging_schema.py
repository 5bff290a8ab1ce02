"""The JSON schema, judged by a real validator: it is one, good files pass, wrong ones fail where they are wrong.

Every file of the tables is also read by `tmd`: the schema and the daemon have to be of one mind.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.packaging.tools import ROOT
from tests.unit.config.hosts import made_up_host
from tmd.config.load import load_file
from tmd.tree.problems import ConfigRefused

SCHEMA: dict[str, Any] = json.loads((ROOT / "docs/reference/schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def refused_at(data: object) -> set[str]:
    """Return the places that the validator complains about, as `programs.web.startsecs`."""
    return {".".join(map(str, error.absolute_path)) for error in VALIDATOR.iter_errors(data)}


def accepted(path: Path) -> bool:
    """Tell whether `tmd` reads a file."""
    try:
        load_file(str(path), made_up_host(resolvable=("a:b",)))
    except ConfigRefused:
        return False
    return True


def documents(page: Path) -> Iterator[str]:
    """Yield the YAML examples of a page that are whole files."""
    for block in re.findall(r"```ya?ml\n(.*?)```", page.read_text(), re.DOTALL):
        top = yaml.safe_load(block)
        if isinstance(top, dict) and set(top) <= set(SCHEMA["properties"]) and page.name != "metrics.md":
            yield block  # the YAML of that page is Prometheus'


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize(
    "path", [ROOT / "etc/taskmaster.yaml", ROOT / "docs/reference/sample.yaml"], ids=lambda p: p.name
)
def test_the_examples_pass(path: Path) -> None:
    assert refused_at(yaml.safe_load(path.read_text())) == set()


def test_the_examples_of_the_documentation_pass() -> None:
    found = [(page.name, text) for page in sorted((ROOT / "docs").glob("*.md")) for text in documents(page)]
    assert len(found) >= 2
    for name, text in found:
        assert refused_at(yaml.safe_load(text)) == set(), name


def test_every_line_of_the_sample_passes_when_it_is_taken_in() -> None:
    """Each option is tried by itself, for some exclude one another."""
    here: list[str] = []
    tried = 0
    for line in (ROOT / "docs/reference/sample.yaml").read_text().splitlines():
        if heading := re.match(r"(?:# )?([a-z-]+):$", line):
            here = [heading[1]]
        elif name := re.match(r"(?:#|) +([A-Za-z]+):(?:  #.*)?$", line):
            here = [here[0], name[1]]
        elif option := re.match(r"    ?# ?([\w.]+): (.*?)(?:  +#.*| #.*)?$|  # ([\w.]+): (.*?)(?:  +#.*| #.*)?$", line):
            key, value = (option[1], option[2]) if option[1] else (option[3], option[4])
            data: dict[str, Any] = {key: yaml.safe_load(value)}
            for level in reversed(here):
                data = {level: data}
            mine = ".".join([*here, key])
            assert not [place for place in refused_at(data) if place.startswith(mine)], line
            tried += 1
    assert tried > 60


GOOD: tuple[tuple[str, str], ...] = (
    ("nothing but a program", "programs: {web: {command: sleep 1}}"),
    (
        "synonyms",
        "programs: {web: {cmd: x, workingdir: /tmp, starttime: 500ms, stoptime: 1m, stdout: /tmp/a, stderr: NONE}}",
    ),
    ("numbers", "programs: {web: {cmd: x, numprocs: 3, priority: -5, startsecs: 0.5, exitcodes: [0, 2], umask: 027}}"),
    (
        "texts",
        'programs: {web: {cmd: x, numprocs: "3", startsecs: "2.5", exitcodes: "0,2", stdout_logfile_maxbytes: 5MB}}',
    ),
    ("yes and no", "programs: {web: {cmd: x, autostart: off, autorestart: always, redirect_stderr: yes}}"),
    (
        "signals",
        "programs: {a: {cmd: x, stopsignal: 2}, b: {cmd: x, stopsignal: SIGHUP}, c: {cmd: x, stopsignal: usr1}}",
    ),
    ("environment", "programs: {a: {cmd: x, env: {A: 1, B: on, C: text}}, b: {cmd: x, environment: 'A=1,B=2'}}"),
    (
        "environment files",
        "programs: {a: {cmd: x, environment_file: [-a.env, -b.env]}, b: {cmd: x, environment_file: -a.env}}",
    ),
    (
        "formats",
        "programs: {a: {cmd: x, log_format: json}, b: {cmd: x, log_format: prefix}, c: {cmd: x, log_format: raw}}",
    ),
    ("hooks", "programs: {a: {cmd: x, prestart: y, poststop: z, hook_timeout: 5s, hook_failure: abort}}"),
    ("users", "programs: {a: {cmd: x, user: nobody, user_environment: no}, b: {cmd: x, user: 0}}"),
    ("the daemon", "taskmaster: {loglevel: debug, logfile_backups: 3, minfds: 100, uid: nobody, email: a@example.org}"),
    ("servers", "taskmaster: {socket: {file: /tmp/s, chmod: 0770}, http: 127.0.0.1:9001}"),
    ("several servers", "taskmaster: {http: [{port: 9001, host: 127.0.0.1}, '127.0.0.1:9002']}"),
    ("a group", "programs: {a: {cmd: x}, b: {cmd: x}}\ngroups: {both: {programs: [a, b], priority: 1}}"),
    ("a listener", "eventlisteners: {mail: {command: x, events: [TICK_5, PROCESS_STATE], buffer_size: 5}}"),
    ("FastCGI", "fcgi-programs: {app: {command: x, socket: 'unix:///tmp/app.sock', socket_mode: 0700}}"),
    ("extensions", "rpcinterfaces: {mine: {factory: 'a:b', depth: 3}}\nctlplugins: {mine: {factory: 'a:b'}}"),
    ("the client", "ctl: {serverurl: 'unix:///tmp/s', prompt: mine}"),
    ("notes", "x-notes: {anything: [goes, here]}\nprograms: {a: {cmd: x}}"),
    ("one alert", "taskmaster: {alerts: {file: alerts.jsonl}}"),
    (
        "alerts",
        "taskmaster: {email: ops@example.com, alerts: [{file: a.jsonl}, {webhook: 'http://example.com/x', "
        "events: [process_exited, process_fatal]}, {syslog: local3}, {syslog: , name: s}, "
        "{name: mail, email: a@example.com}]}",
    ),
)

WRONG: tuple[tuple[str, str, str], ...] = (
    ("a text for a file", "just words", ""),
    ("a list for a file", "[a, b]", ""),
    ("an unknown part", "program: {web: {command: x}}", ""),
    ("a program without a command", "programs: {web: {startsecs: 1}}", "programs.web"),
    ("a program that is a text", "programs: {web: sleep 1}", "programs.web"),
    ("an unknown option", "programs: {web: {command: x, autostrat: yes}}", "programs.web"),
    ("an empty command", "programs: {web: {command: ''}}", "programs.web.command"),
    ("a command that is a list", "programs: {web: {command: [a, b]}}", "programs.web.command"),
    ("negative seconds", "programs: {web: {command: x, startsecs: -1}}", "programs.web.startsecs"),
    ("seconds that are none", "programs: {web: {command: x, stopwaitsecs: soon}}", "programs.web.stopwaitsecs"),
    ("half a process", "programs: {web: {command: x, numprocs: 1.5}}", "programs.web.numprocs"),
    ("an exit status out of range", "programs: {web: {command: x, exitcodes: [0, 256]}}", "programs.web.exitcodes"),
    ("an unknown signal", "programs: {web: {command: x, stopsignal: SIGNOPE}}", "programs.web.stopsignal"),
    ("neither yes nor no", "programs: {web: {command: x, autostart: maybe}}", "programs.web.autostart"),
    ("an unknown way to restart", "programs: {web: {command: x, autorestart: sometimes}}", "programs.web.autorestart"),
    (
        "a size without sense",
        "programs: {web: {command: x, stdout_logfile_maxbytes: 5XB}}",
        "programs.web.stdout_logfile_maxbytes",
    ),
    ("a umask that is not octal", 'programs: {web: {command: x, umask: "089"}}', "programs.web.umask"),
    ("an unknown format", "programs: {web: {command: x, log_format: xml}}", "programs.web.log_format"),
    ("an unknown failure of hooks", "programs: {web: {command: x, hook_failure: panic}}", "programs.web.hook_failure"),
    ("variables in a list", "programs: {web: {command: x, environment: [A]}}", "programs.web.environment"),
    ("a level that is none", "taskmaster: {loglevel: loud}", "taskmaster.loglevel"),
    ("an unknown option of the daemon", "taskmaster: {colour: red}", "taskmaster"),
    ("a port out of range", "taskmaster: {http: {port: 70000}}", "taskmaster.http"),
    ("a group that is a text", "groups: {both: a}", "groups.both"),
    (
        "an unknown option of a group",
        "programs: {a: {cmd: x}}\ngroups: {both: {programs: a, startsecs: 1}}",
        "groups.both",
    ),
    ("a listener without events", "eventlisteners: {mail: {command: x}}", "eventlisteners.mail"),
    (
        "a buffer of nothing",
        "eventlisteners: {mail: {command: x, events: EVENT, buffer_size: 0}}",
        "eventlisteners.mail.buffer_size",
    ),
    ("FastCGI without a socket", "fcgi-programs: {app: {command: x}}", "fcgi-programs.app"),
    ("a socket that is a path", "fcgi-programs: {app: {command: x, socket: /tmp/s}}", "fcgi-programs.app.socket"),
    ("an extension without a factory", "rpcinterfaces: {mine: {depth: 3}}", "rpcinterfaces.mine"),
    ("a URL of another kind", "ctl: {serverurl: 'ftp://x'}", "ctl.serverurl"),
    ("an alert to nowhere", "taskmaster: {alerts: [{events: [process_exited]}]}", "taskmaster.alerts"),
    ("an alert to two places", "taskmaster: {alerts: [{file: a, webhook: 'http://x/'}]}", "taskmaster.alerts"),
    ("an unknown event", "taskmaster: {alerts: [{file: a, events: [process_exploded]}]}", "taskmaster.alerts"),
    ("a webhook that is no URL", "taskmaster: {alerts: [{webhook: example.com}]}", "taskmaster.alerts"),
    ("a facility that is none", "taskmaster: {alerts: [{syslog: true}]}", "taskmaster.alerts"),
    ("an option of another place", "taskmaster: {alerts: [{file: a, smtp: localhost}]}", "taskmaster.alerts"),
)


@pytest.mark.parametrize("text", [text for _, text in GOOD], ids=[name for name, _ in GOOD])
def test_good_files_pass(text: str, tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(text)
    assert accepted(path)
    assert refused_at(yaml.safe_load(text)) == set()


@pytest.mark.parametrize(("text", "place"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_wrong_files_fail_where_they_are_wrong(text: str, place: str, tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(text)
    assert not accepted(path)
    places = refused_at(yaml.safe_load(text))
    assert places
    assert all(found == place or found.startswith(f"{place}.") or not place for found in places), places
