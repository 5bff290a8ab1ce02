"""Commands that plug-ins add, asked as people ask: on the command line, for help, by TAB."""

import errno
import xmlrpc.client
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.tmctl.conftest import Ran, Tmctl
from tests.unit.tmctl.fake_daemon import FakeDaemon
from tmctl.client import Client, HttpStatus
from tmctl.complete import completions
from tmctl.config import PluginSection, Target
from tmctl.connection import Unreachable, parse_url
from tmctl.dispatch import run_line
from tmctl.marshal import BadReply, ServerFault
from tmctl.output import standard_output
from tmctl.plugins import load_plugins
from tmctl.proxy import translated
from tmctl.session import Person, Session

FACTORY = "tests.unit.tmctl.example_plugin:make"
ODD = "tests.unit.tmctl.odd_plugins"
INI = """\
[supervisorctl]
serverurl = {url}
prompt = mine
[ctlplugin:wild]
supervisor.ctl_factory = {factory}
"""

Ask = Callable[..., Ran]


@pytest.fixture
def ask(fake: FakeDaemon, tmctl: Tmctl, tmp_path: Path) -> Ask:
    """Run tmctl with the plug-in; `more` are options of its section."""

    def run(*words: str, more: str = "", factory: str = FACTORY) -> Ran:
        path = tmp_path / "s.conf"
        path.write_text(INI.format(url=fake.url, factory=factory) + more)
        return tmctl("-c", str(path), *words)

    return run


@pytest.fixture
def session(fake: FakeDaemon) -> Session:
    return session_on(fake)


def session_on(fake: FakeDaemon, factory: str = FACTORY) -> Session:
    output = standard_output("never", {}, raw=False)
    session = Session(Client(parse_url(fake.url)), output, person=Person(open(0, closefd=False), output))  # noqa: SIM115
    target = Target(fake.url, plugins=(PluginSection("wild", "[ctlplugin:wild]", factory, {}),))
    session.plugins = load_plugins(session, target)
    return session


def test_a_command_acts_from_many_threads(ask: Ask, fake: FakeDaemon) -> None:
    fake.stop_fault["web"] = "FAILED"
    ran = ask("mstop", "web", "api_0*")
    assert ran.code == 1  # what goes wrong in a thread is not lost
    assert sorted(ran.out.splitlines()) == [
        "FAILED: web:web", "api:api_00: stopped", "api:api_01: stopped", "api:api_02: ERROR (not running)",
    ]  # fmt: skip
    assert ask("mstop", "nope*").outcome == ("No process matched given expression.\n", 0)
    assert [process.state for process in fake.processes if process.group == "api"] == ["STOPPED", "STOPPED", "FATAL"]


def test_faults_are_those_of_the_standard_library(ask: Ask) -> None:
    assert ask("quickstart batch").outcome == ("batch: started\n", 0)
    assert ask("quickstart batch").outcome == ("batch: ERROR (60 ALREADY_STARTED)\n", 0)
    assert ask("quickstart", "nope").outcome == ("nope: ERROR (10 BAD_NAME)\n", 1)


def test_common_commands_are_there_for_plugins(ask: Ask) -> None:
    assert ask("both", "web").outcome == ("web: stopped\nweb: started\n", 0)
    assert ask("pids").outcome == ("4242\n", 0)


def test_options_and_what_was_typed_arrive_as_they_are(ask: Ask, fake: FakeDaemon) -> None:
    ran = ask("config  a   b ", more="Match_Group = 100%%\nhome = %(ENV_HOME)s/x\n[DEFAULT]\nshared = 1\n")
    home = Path.home()
    options = [("home", f"{home}/x"), ("match_group", "100%"), ("shared", "1")]
    assert ran.outcome == (f"wild {options} [a   b]\n{fake.url} None None mine\n", 0)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.yaml", "ctl: {{serverurl: '{url}'}}\nctlplugins:\n  wild: {{factory: '{factory}', n: 1}}\n"),
        ("t.yaml", "ctl: {{serverurl: '{url}'}}\nctlplugins:\n  wild: {{supervisor.ctl_factory: '{factory}', n: 1}}\n"),
        ("t.ini", "[taskmaster]\n[ctl]\nserverurl={url}\n[ctlplugin:wild]\nfactory={factory}\nn=1\n"),
    ],
)
def test_native_files_have_plugins_too(name: str, text: str, fake: FakeDaemon, tmctl: Tmctl, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text.format(url=fake.url, factory=FACTORY))
    assert tmctl("-c", str(tmp_path / name), "config").out.startswith("wild [('n', '1')] []\n")


def test_what_a_command_raises_is_one_line(ask: Ask) -> None:
    ran = ask("raising", "thing")
    assert ran.code == 1
    assert ran.err == ""
    assert ran.out.startswith("error: <class 'ValueError'>, no thing: file: ")
    assert ran.out.count("\n") == 1
    ran = ask("unknown")
    assert (
        ran.code,
        ran.out.startswith("error: <class 'xmlrpc.client.Fault'>, <Fault 1: 'UNKNOWN_METHOD'>: file"),
    ) == (
        1,
        True,
    )


def test_a_factory_that_gives_up_is_heard_first(ask: Ask) -> None:
    ran = ask("status", factory=f"{ODD}:give_up")
    assert ran.outcome == ("I give up\n", 2)
    assert ran.err.startswith("Error: cannot load [ctlplugin:wild]: it called sys.exit(9)\n")


def test_a_command_that_cannot_be_looked_at_is_the_plugins_error(ask: Ask) -> None:
    ran = ask("broken", "x", factory=f"{ODD}:make")
    assert (ran.code, ran.err) == (1, "")
    assert ran.out.startswith("error: <class 'RuntimeError'>, not today: file: ")
    ran = ask("help", "broken", factory=f"{ODD}:make")
    assert (ran.code, ran.err) == (1, "")
    assert ran.out.startswith("error: <class 'RuntimeError'>, no help either: file: ")
    assert "broken" in ask("help", factory=f"{ODD}:make").out
    ran = ask("abort", "this", factory=f"{ODD}:make")
    assert (ran.code, "Abort'>, this: file: " in ran.out, ran.err) == (1, True, "")


@pytest.mark.usefixtures("fake")
def test_a_completion_that_cannot_be_looked_at_is_none(fake: FakeDaemon) -> None:
    session = session_on(fake, f"{ODD}:make")
    assert completions("broken a", list, session.plugins) == []
    session.client.close()


def test_exit_statuses_are_the_plugins_to_choose(ask: Ask) -> None:
    assert ask("failing", "it").outcome == ("ERROR: it\n", 5)
    with pytest.raises(SystemExit) as end:
        ask("exit_with", "42")
    assert end.value.code == 42


def test_supervisors_commands_stay_and_our_own_give_way(ask: Ask) -> None:
    assert ask("status", "web").code == 0
    assert ask("pause", "web").outcome == ("my own pause of web\n", 0)


def test_json_is_not_for_plugins(ask: Ask) -> None:
    ran = ask("--json", "pids")
    assert (ran.code, ran.document) == (2, {"errors": ["Error: pids has nothing to show as JSON"]})


def test_help_lists_and_explains(ask: Ask) -> None:
    lines = ask("help").out.splitlines()
    assert lines[lines.index("wild commands (type help <topic>):") + 2].split()[:3] == ["both", "exit_with", "leave"]
    assert ask("help", "mstop").out == "mstop PATTERN...  stop all processes that match\n"
    assert ask("help", "quickstart").out == "Start without waiting.\n"
    assert ask("help", "both").out == "*** No help on both\n"
    assert ask("help", "status").out.startswith("status ")
    assert ask("table").out == "things\n======\na  b\n\n"


def test_a_mistyped_command_is_recognised(ask: Ask) -> None:
    ran = ask("mstp")
    assert (ran.out, ran.err) == ("*** Unknown syntax: mstp\n", "did you mean 'mstop'?\n")


@pytest.mark.parametrize(
    ("factory", "text"),
    [
        (
            "nowhere.at_all:make",
            "Error: nowhere.at_all:make cannot be resolved within [ctlplugin:wild]: ModuleNotFoundError: ",
        ),
        (
            "tests.unit.tmctl.example_plugin:nope",
            "Error: tests.unit.tmctl.example_plugin:nope cannot be resolved within [ctlplugin:wild]: AttributeError: ",
        ),
        (
            "tests.unit.tmctl.example_plugin:make_nothing",
            "Error: cannot load [ctlplugin:wild]: RuntimeError: no cache today\n",
        ),
        ("json", "Error: cannot load [ctlplugin:wild]: TypeError: 'module' object is not callable\n"),
        (f"{ODD}:leave", "Error: cannot load [ctlplugin:wild]: it called sys.exit(3)\n"),
        (f"{ODD}:leave_in_silence", "Error: cannot load [ctlplugin:wild]: it called sys.exit()\n"),
        (f"{ODD}:abort", "Error: cannot load [ctlplugin:wild]: GeneratorExit: over\n"),
        (f"{ODD}:make_unlookable", "Error: cannot load [ctlplugin:wild]: RuntimeError: look away\n"),
        (
            "tests.unit.tmctl.leaving_module:make",
            "Error: cannot load [ctlplugin:wild]: it called sys.exit('not here')\n",
        ),
        ("", "Error: section [ctlplugin:wild] does not specify a supervisor.ctl_factory\n"),
    ],
)
def test_a_plugin_that_cannot_be_made_ends_with_2(factory: str, text: str, ask: Ask) -> None:
    ran = ask("status", factory=factory)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(text)
    assert ran.err.endswith("\nFor help, use tmctl -h\n")


def test_options_of_a_plugin_are_texts(fake: FakeDaemon, tmctl: Tmctl, tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(f"ctlplugins:\n  wild:\n    factory: {FACTORY}\n    n: [1, 2]\n")
    ran = tmctl("-c", str(tmp_path / "t.yaml"), "status")
    assert (ran.code, ran.out) == (2, "")
    assert "t.yaml:4:5: ctlplugins.wild: n must be one text" in ran.err


def test_a_server_that_is_gone_is_said_by_upcheck(tmctl: Tmctl, tmp_path: Path) -> None:
    path = tmp_path / "s.conf"
    path.write_text(INI.format(url=f"unix://{tmp_path}/none", factory=FACTORY))
    assert tmctl("-c", str(path), "pids").outcome == (f"unix://{tmp_path}/none no such file\n", 7)
    ran = tmctl("-c", str(path), "quickstart", "web")
    assert ran.out.startswith("error: <class 'FileNotFoundError'>, [Errno 2] no such file or directory: file: ")


def test_a_password_is_asked_for_by_supervisors_words(fake: FakeDaemon, ask: Ask, tmctl: Tmctl, tmp_path: Path) -> None:
    fake.password = "secret"
    assert ask("quickstart", "batch").outcome == ("Server requires authentication\n", 1)
    assert tmctl("-c", str(tmp_path / "s.conf"), "-u", "me", "-p", "secret", "quickstart", "batch").code == 0


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize(
    ("before", "offered"),
    [
        ("mst", ["mstop"]),
        ("help mst", ["mstop"]),
        ("sta", ["start", "status"]),
        ("mstop ", ["api*", "web*"]),
        ("mstop api w", ["web*"]),
        ("raising a", []),
        ("leave a", []),
        ("start w", ["web"]),
    ],
)
def test_completions(before: str, offered: list[str], session: Session) -> None:
    def infos() -> list[dict[str, str]]:
        return [{"group": "web", "name": "web"}]

    assert completions(before, infos, session.plugins) == offered
    session.client.close()


def test_a_command_may_end_the_shell(session: Session) -> None:
    assert run_line(session, "leave") is True
    assert run_line(session, "pids") is False
    session.client.close()


def test_options_move_the_client(session: Session, fake: FakeDaemon, tmp_path: Path) -> None:
    assert session.plugins is not None
    options = session.plugins._controller.options
    options.username, options.password = "you", "hidden"
    assert (session.client.username, session.client.password) == ("you", "hidden")
    options.serverurl = f"unix://{tmp_path}/other"
    assert session.serverurl == f"unix://{tmp_path}/other"
    assert (options.username, [name for name, _, _ in options.plugin_factories]) == ("you", ["wild"])
    session.client.close()


@pytest.mark.parametrize(
    ("error", "raised", "text"),
    [
        (ServerFault(10, "BAD_NAME: x"), xmlrpc.client.Fault, "<Fault 10: 'BAD_NAME: x'>"),
        (HttpStatus("u", 500, "Oops"), xmlrpc.client.ProtocolError, "<ProtocolError for u: 500 Oops>"),
        (Unreachable("u", errno.ECONNREFUSED, "connection refused"), ConnectionRefusedError, "connection refused"),
        (Unreachable("u", errno.EPIPE, "broken pipe"), ConnectionResetError, "broken pipe"),
        (Unreachable("u", 0, "no answer"), OSError, "no answer"),
        (BadReply("not XML"), xmlrpc.client.ResponseError, "not XML"),
    ],
)
def test_errors_are_those_plugins_know(error: Exception, raised: type[Exception], text: str) -> None:
    found = translated(error)
    assert type(found) is raised
    assert text in str(found)
