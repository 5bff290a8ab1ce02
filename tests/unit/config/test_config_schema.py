"""The JSON schema and the daemon judge alike: what the daemon takes fits, and most of what it refuses does not."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.unit.config.hosts import made_up_host
from tests.unit.config.test_config_alerts import FORMATS, HOST
from tests.unit.config.test_config_alerts import VALUES as ALERT_VALUES
from tests.unit.config.test_config_native import SYNONYMS, YAML_VALUES
from tests.unit.config.test_config_own_options import VALUES as OWN_VALUES
from tests.unit.config.test_config_own_options import WRONG as OWN_WRONG
from tmd.config.load import load_file
from tmd.config.options import DAEMON
from tmd.config.program_options import PROGRAM
from tmd.config.schema import json_schema
from tmd.tree.problems import ConfigRefused

SCHEMA = json_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
KNOWN_BY_THE_MACHINE = ("there is no", "cannot find", "in the clear")
"""what no schema can say"""


def complaints(text: str) -> list[str]:
    """Return where the schema is not satisfied, as `programs.a.umask`."""
    errors = VALIDATOR.iter_errors(yaml.safe_load(text))
    return sorted({".".join(str(part) for part in error.absolute_path) for error in errors})


def refused(text: str, tmp_path: Path) -> str:
    """Return what the daemon says against a file; empty when it takes it."""
    path = tmp_path / "t.yaml"
    path.write_text(text, encoding="utf-8")
    try:
        load_file(str(path), made_up_host(files=("/usr/sbin/sendmail", "/opt/msmtp")))
    except ConfigRefused as refusal:
        return refusal.text
    return ""


def program(option: str) -> str:
    return f"programs:\n  a:\n    command: x\n    {option}\n"


def alert(written: str) -> str:
    return f"taskmaster: {{alerts: [{{{written}}}]}}\n"


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == jsonschema.Draft202012Validator.META_SCHEMA["$id"]


@pytest.mark.parametrize("option", [option for option, _, _ in (*YAML_VALUES, *OWN_VALUES)])
def test_what_a_program_may_say_fits(option: str, tmp_path: Path) -> None:
    assert refused(program(option), tmp_path) == ""
    assert complaints(program(option)) == []


@pytest.mark.parametrize("written", [written for written, field, _ in ALERT_VALUES if field])
def test_what_an_alert_may_say_fits(written: str, tmp_path: Path) -> None:
    assert refused(alert(written), tmp_path) == ""
    assert complaints(alert(written)) == []


@pytest.mark.parametrize("synonym", SYNONYMS)
def test_synonyms_fit_but_not_beside_what_they_mean(synonym: str) -> None:
    option, value = SYNONYMS[synonym]
    command = "" if option == "command" else "command: x, "
    assert complaints(f"programs: {{a: {{{command}{synonym}: '{value}'}}}}") == []
    assert complaints(f"programs: {{a: {{{command}{option}: '{value}', {synonym}: '{value}'}}}}") == ["programs.a"]


@pytest.mark.parametrize("name", ["t.yaml", "t.json"])
def test_whole_files_fit(name: str) -> None:
    assert complaints(FORMATS[name]) == []
    assert HOST is not None


WRONG = [
    ("program: {a: {command: x}}", [""]),
    ("programs: {a: }", ["programs.a"]),
    ("programs: {'a b': {command: x}}", ["programs"]),
    ("programs: {a: {}}", ["programs.a"]),
    ("programs: {a: {command: ''}}", ["programs.a.command"]),
    ("programs: {a: {command: x, startsec: 1}}", ["programs.a"]),
    ("programs: {a: {command: x, startsecs: soon}}", ["programs.a.startsecs"]),
    ("programs: {a: {command: x, startsecs: -1}}", ["programs.a.startsecs"]),
    ("programs: {a: {command: x, numprocs: 1.5}}", ["programs.a.numprocs"]),
    ("programs: {a: {command: x, umask: 9x}}", ["programs.a.umask"]),
    ("programs: {a: {command: x, autostart: maybe}}", ["programs.a.autostart"]),
    ("programs: {a: {command: x, autorestart: sometimes}}", ["programs.a.autorestart"]),
    ("programs: {a: {command: x, exitcodes: [256]}}", ["programs.a.exitcodes"]),
    ("programs: {a: {command: x, stopsignal: TREM}}", ["programs.a.stopsignal"]),
    ("programs: {a: {command: x, stdout_logfile_maxbytes: 5X}}", ["programs.a.stdout_logfile_maxbytes"]),
    ("programs: {a: {command: x, env: oops}}", ["programs.a.env"]),
    ("programs: {a: {command: x, serverurl: ftp://x}}", ["programs.a.serverurl"]),
    ("eventlisteners: {a: {command: x}}", ["eventlisteners.a"]),
    ("fcgi-programs: {a: {command: x, socket: x}}", ["fcgi-programs.a.socket"]),
    ("taskmaster: {loglevel: loud}", ["taskmaster.loglevel"]),
    ("taskmaster: {http: [9001, {port: 70000}]}", ["taskmaster.http.1.port"]),
    ("taskmaster: {http: {host: x}}", ["taskmaster.http"]),
    ("taskmaster: {http: somewhere}", ["taskmaster.http"]),
    ("taskmaster: {socket: {file: x, username: u}}", ["taskmaster.socket"]),
    ("taskmaster: {alerts: x}", ["taskmaster.alerts"]),
    ("taskmaster: {alerts: [{file: a}, {file: b, events: [proces_exited]}]}", ["taskmaster.alerts.1.events"]),
    ("taskmaster: {email: []}", ["taskmaster.email"]),
    ("ctl: {promt: x}", ["ctl"]),
]


@pytest.mark.parametrize(("text", "places"), WRONG)
def test_what_is_wrong_is_told_at_its_place(text: str, places: list[str], tmp_path: Path) -> None:
    assert refused(text, tmp_path)
    assert complaints(text) == places


def told_by_a_schema(said: str) -> bool:
    return not any(words in said for words in KNOWN_BY_THE_MACHINE)


def test_most_of_what_is_wrong_with_own_options_is_told() -> None:
    wrong = [option for option, said in OWN_WRONG if told_by_a_schema(said)]
    silent = [option for option in wrong if not complaints(program(option.strip("{}").replace(", ", "\n    ")))]
    assert silent == ["environment_file: '-'", "{user: web:webs, gid: nogroup}"]


def test_most_of_what_is_wrong_with_alerts_is_told() -> None:
    wrong = [written for written, field, said in ALERT_VALUES if not field and told_by_a_schema(said)]
    silent = [written for written in wrong if not complaints(alert(written))]
    assert len(silent) < len(wrong) / 2, silent
    assert "file: a, colour: red" not in silent


def test_every_option_says_what_it_is() -> None:
    daemon: dict[str, Any] = SCHEMA["properties"]["taskmaster"]["properties"]
    of_programs: dict[str, Any] = SCHEMA["properties"]["programs"]["additionalProperties"]["properties"]
    for options, properties in ((DAEMON, daemon), (PROGRAM, of_programs)):
        for option in options:
            assert properties[option.name]["description"].startswith(option.doc)
    json.dumps(SCHEMA)
