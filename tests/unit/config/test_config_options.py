"""The list of options against the settings, and what is generated from it."""

import json
import re
import signal
from pathlib import Path

import msgspec
import pytest
import supervisor

from tests.unit.config.against_supervisor import compare
from tests.unit.config.hosts import made_up_host, this_host
from tmd.config import exports
from tmd.config.daemon import check_flags
from tmd.config.host import Host
from tmd.config.load import load_file
from tmd.config.option import Option
from tmd.config.options import CTL, DAEMON, SECTIONS
from tmd.config.program_options import FCGI, LISTENER, PROGRAM
from tmd.config.schema import json_schema
from tmd.config.settings import CtlSettings, DaemonSettings, PoolSpec, ProcessSpec, Settings
from tmd.config.signal_names import SIGNALS
from tmd.tree.problems import ConfigRefused
from tmd.tree.shape import PARTS
from tmd.wire.places import default_places

ETC = Path(__file__).resolve().parents[3] / "etc"


@pytest.mark.parametrize(
    ("struct", "options"),
    [(ProcessSpec, PROGRAM), (DaemonSettings, DAEMON), (CtlSettings, CTL), (PoolSpec, LISTENER)],
)
def test_defaults_agree_with_the_settings(struct: type[msgspec.Struct], options: tuple[Option, ...]) -> None:
    fields = {field.name: field for field in msgspec.structs.fields(struct)}
    placed = {"logfile", "pidfile", "childlogdir", "statedir", "command", "killasgroup", "events"}
    for option in options:
        field = fields.get(option.name)
        if field is None or option.name in placed:
            continue
        default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
        assert option.default == default, option.name


def test_names_are_unique_within_a_section() -> None:
    for section in SECTIONS:
        names = [word for option in section.options for word in (option.name, *option.synonyms)]
        assert len(names) == len(set(names))
        for option in section.options:
            assert option.doc.endswith("."), option.name
            assert option.doc.count(". ") == 0, option.name


def test_signal_numbers_are_the_systems() -> None:
    own = {name.removeprefix("SIG"): int(number) for name, number in signal.Signals.__members__.items()}
    assert own.items() <= SIGNALS.items()


@pytest.mark.parametrize("kind", ["ini", "yaml", "supervisor"])
def test_samples_load(kind: str, tmp_path: Path) -> None:
    path = tmp_path / {"ini": "t.ini", "yaml": "t.yaml", "supervisor": "t.conf"}[kind]
    path.write_text(exports.sample(kind))
    loaded = load_file(str(path), this_host())
    assert loaded.warnings == ()
    with pytest.raises(ValueError, match="cannot make a sample of kind 'xml'"):
        exports.sample("xml")


HOST = made_up_host(
    directories=("/", "/tmp", "/var/log", "/var/log/taskmaster", "/run", "/run/taskmaster"),
    files=("/usr/sbin/sendmail",),
    resolvable=("supervisor.rpcinterface:make_main_rpcinterface",),
)


@pytest.mark.parametrize("kind", ["ini", "yaml"])
def test_samples_load_with_every_option_uncommented(kind: str, tmp_path: Path) -> None:
    path = tmp_path / {"ini": "t.ini", "yaml": "t.yaml"}[kind]
    head, blank, body = exports.sample(kind).partition("\n\n")
    if kind == "yaml":
        body = re.sub(r"^( *)# ?", r"\1", body, flags=re.MULTILINE)
    else:
        body = re.sub(r"^;(?! )", "", body, flags=re.MULTILINE)
    path.write_text(f"{head}{blank}{body.replace('one,two', 'ticker')}")
    loaded = load_file(str(path), HOST)
    assert [line for line in loaded.warnings if "No file matches" not in line] == []
    assert [group.name for group in loaded.settings.groups] == ["mailer", "app", "pair"]
    assert [spec.name for spec in loaded.settings.rpcinterfaces] == ["NAME"]
    kinds = ["file", "webhook", "email", "email", "syslog", "email"]
    assert [spec.kind for spec in loaded.settings.alerts] == kinds


def test_supervisors_sample_loads_with_every_option_uncommented(tmp_path: Path) -> None:
    path = tmp_path / "t.conf"
    text = re.sub(r"^;(?! |$)", "", exports.sample("supervisor"), flags=re.MULTILINE)
    for old, new in (("=supervisord  ", "=nobody"), ("=chrism", "=nobody"), ("=/a/path", "=AUTO")):
        assert old in text
        text = text.replace(old, new)
    path.write_text(text.replace("progname1,progname2", "theprogramname"))
    loaded = load_file(str(path), HOST)
    assert [line for line in loaded.warnings if "No file matches" not in line] == []
    names = ["theeventlistenername", "thefcgiprogramname", "thegroupname"]
    assert [group.name for group in loaded.settings.groups] == names
    for section in SECTIONS:
        wanted = () if section.key in ("extension", "ctlplugin") else section.options
        for option in wanted:
            assert option.native_only or re.search(rf"^;?{option.name} ?=", exports.sample("supervisor"), re.MULTILINE)


def settings_by_section(sample: str) -> dict[str, set[str]]:
    """Return the lines of each section without their comments, those that are commented out with their semicolon."""
    found: dict[str, set[str]] = {}
    section = ""
    for line in sample.splitlines():
        text = line.partition(" ;")[0].strip()
        if text.startswith(("[", ";[")):
            section = text
        elif text and not re.match(r";( |$)", text):
            found.setdefault(section, set()).add(text)
    return found


def test_scripts_find_the_lines_of_supervisors_own_sample() -> None:
    theirs = (Path(supervisor.__file__).parent / "skel" / "sample.conf").read_text(encoding="utf-8")
    ours = settings_by_section(exports.sample("supervisor"))
    for section, lines in settings_by_section(theirs).items():
        missing = lines - ours[section]
        if section.startswith(";[eventlistener:"):  # what it shares with programs is said there only
            shared = {line.partition("=")[0] for line in ours[";[program:theprogramname]"]}
            missing = {line for line in missing if line.partition("=")[0] not in shared}
        assert not missing, section
    live = {line for section, lines in ours.items() for line in lines if not line.startswith(";")}
    assert live == {line for lines in settings_by_section(theirs).values() for line in lines if line[0] != ";"}


def test_supervisor_reads_the_sample_in_its_dialect(tmp_path: Path) -> None:
    path = tmp_path / "t.conf"
    path.write_text(exports.sample("supervisor"))
    assert compare(path) == "accepted"
    # some clients tell by these words whether they found a configuration
    assert "Sample supervisor config file" in exports.sample("supervisor").splitlines()[0]


def test_examples_are_one_and_the_same() -> None:
    read: list[Settings] = []
    for name in ("taskmaster.ini", "taskmaster.yaml"):
        loaded = load_file(str(ETC / name), this_host())
        assert loaded.warnings == ()
        read.append(loaded.settings)
    assert read[0] == read[1]
    names = [spec.id.namespec for group in read[0].groups for spec in group.processes]
    assert {"web", "setup", "store", "report", "background:ticker", "background:worker_02"} <= set(names)


def test_schema_knows_every_option() -> None:
    schema = json_schema()
    json.dumps(schema)
    program = schema["properties"]["programs"]["additionalProperties"]
    assert set(program["properties"]) == {word for option in PROGRAM for word in (option.name, *option.synonyms)}
    assert program["additionalProperties"] is False
    assert "blather" in schema["properties"]["taskmaster"]["properties"]["loglevel"]["anyOf"][0]["enum"]
    for part, options in (("eventlisteners", LISTENER), ("fcgi-programs", FCGI)):
        body = schema["properties"][part]["additionalProperties"]
        assert {option.name for option in options} <= set(body["properties"])
    assert schema["properties"]["eventlisteners"]["additionalProperties"]["required"] == ["events"]
    for part in ("rpcinterfaces", "ctlplugins"):
        assert "factory" in schema["properties"][part]["additionalProperties"]["properties"]
    assert set(schema["properties"]) == set(PARTS) - {"alerts", "servers", "defaults"}


def test_reference_knows_every_option() -> None:
    page = exports.reference_markdown()
    for section in SECTIONS:
        for option in section.options:
            assert f"| `{option.name}`" in page


def test_explain() -> None:
    text = exports.explain("starttime")
    assert text.startswith("startsecs: How long")
    assert "also written: starttime" in text
    assert exports.explain("priority").count("priority:") == 3
    for key in ("program.priority", "programs.web.priority", "program:web.priority", "eventlistener:x.priority"):
        assert exports.explain(key).count("priority:") == 1
    assert "in: [program:NAME], programs.NAME, [eventlistener:NAME], eventlisteners.NAME" in text
    assert exports.explain("fcgi-program.startsecs") == exports.explain("startsecs")
    assert exports.explain("rpcinterface.factory") == exports.explain("supervisor.rpcinterface_factory")
    assert "-1 among the groups" in exports.explain("eventlistener.priority")
    assert "when the daemon is restarted" in exports.explain("supervisord.logfile")
    assert "in: [alert:NAME], taskmaster.alerts" in exports.explain("alert.webhook")
    assert exports.explain("email").count("email:") == 2
    assert "or a mapping of: file, name, events" in exports.explain("taskmaster.alerts")
    with pytest.raises(ValueError, match=r"there is no such option \(did you mean 'startsecs'\?\)"):
        exports.explain("starsecs")
    with pytest.raises(ValueError, match=r"there is no such option \(all are in the output of --sample yaml\)"):
        exports.explain("nonsense")


def test_what_is_said_of_a_directory_in_the_samples_is_where_it_is() -> None:
    """Native defaults that follow from the places of root, the reader of a sample."""
    places = default_places({}, 0, "/root")
    wanted = {
        "logfile": places.logfile,
        "pidfile": places.pidfile,
        "childlogdir": places.log,
        "statedir": places.state,
        "socket": places.socket,
    }
    for option, place in wanted.items():
        assert re.search(rf"^  # {option}: {place} +#", exports.sample("yaml"), re.MULTILINE), option


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("loglevel", "foo", "invalid value for -f 'foo': bad logging level name 'foo'"),
        ("umask", "999", "invalid value for -f '999': 999 can not be converted to an octal type"),
        ("directory", "/no/such", "invalid value for -f '/no/such': /no/such is not an existing directory"),
    ],
)
@pytest.mark.parametrize("supervisors", [False, True])
def test_a_flag_no_configuration_could_use_is_refused_in_supervisors_words(
    name: str, text: str, said: str, supervisors: bool
) -> None:
    host: Host = msgspec.structs.replace(made_up_host(), overrides={name: text}, flags={name: "-f"})
    with pytest.raises(ConfigRefused) as refusal:
        check_flags(host, supervisors=supervisors)
    assert refusal.value.supervisor_text == said
    assert [line[:1] for line in refusal.value.more] == ["("]


def test_a_flag_that_only_a_native_file_could_use_waits_for_the_file_unless_called_as_supervisor() -> None:
    host = msgspec.structs.replace(made_up_host(), overrides={"logfile_maxbytes": "5M", "user": "ghost"})
    check_flags(host, supervisors=False)
    with pytest.raises(ConfigRefused, match="invalid value for --logfile_maxbytes '5M': invalid literal"):
        check_flags(host, supervisors=True)
    check_flags(msgspec.structs.replace(host, overrides={"umask": "022", "user": "ghost"}), supervisors=True)


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("~", "/home/web"),
        ("~/x", "/home/web/x"),
        ("~root/x", "/root/x"),
        ("~ghost/x", "~ghost/x"),
        ("/a~", "/a~"),
        ("x", "x"),
        ("~nobody", "/"),
    ],
)
def test_home_directories(path: str, wanted: str) -> None:
    assert made_up_host().expand_user(path) in (wanted, wanted.rstrip("/"))
