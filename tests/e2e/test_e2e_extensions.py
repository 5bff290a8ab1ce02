"""Extensions in a running daemon, and programs that join it at run time."""

import re
import xmlrpc.client
from collections.abc import Callable

import pytest

from tests.e2e.harness import ROOT, Rig, program

TWIDDLER = '''\
"""Adds and removes programs, as a plug-in for Supervisor does it."""

import configparser

from supervisor.states import STOPPED_STATES, SupervisorStates
from supervisor.xmlrpc import Faults, RPCError


class Twiddler:
    def __init__(self, supervisord, greeting="hello"):
        self.supervisord = supervisord
        supervisord.options.logger.info("%(word)s from %(who)s", word=greeting, who=supervisord.options.identifier)

    def _group(self, name):
        if self.supervisord.get_state() != SupervisorStates.RUNNING:
            raise RPCError(Faults.SHUTDOWN_STATE)
        group = self.supervisord.process_groups.get(name)
        if group is None:
            raise RPCError(Faults.BAD_NAME, "group: %s" % name)
        return group

    def getGroupNames(self):
        """@return array names"""
        return list(self.supervisord.process_groups.keys())

    def addProgramToGroup(self, group_name, program_name, options):
        """Add a program.

        @param string group_name
        @param string program_name
        @param struct options
        @return boolean
        """
        group = self._group(group_name)
        parser = configparser.RawConfigParser()
        parser.read_dict({"program:" + program_name: options})
        try:
            configs = self.supervisord.options.processes_from_section(parser, "program:" + program_name, group_name)
        except ValueError as why:
            raise RPCError(Faults.INCORRECT_PARAMETERS, why)
        for config in configs:
            if config.name in [known.name for known in group.config.process_configs]:
                raise RPCError(Faults.BAD_NAME, config.name)
        group.config.process_configs.extend(configs)
        for config in configs:
            config.create_autochildlogs()
            group.processes[config.name] = config.make_process(group)
        return True

    def removeProcessFromGroup(self, group_name, process_name):
        """@return boolean"""
        group = self._group(group_name)
        process = group.processes.get(process_name)
        if process is None:
            raise RPCError(Faults.BAD_NAME, process_name)
        if process.pid or process.state not in STOPPED_STATES:
            raise RPCError(Faults.STILL_RUNNING, process_name)
        group.transition()
        del group.processes[process_name]
        return True

    def log(self, message, level=20):
        """@return boolean"""
        self.supervisord.options.logger.log(level, message)
        return True


def make(supervisord, **options):
    return Twiddler(supervisord, **options)


def explode(supervisord, **options):
    raise OSError("no such thing as %s" % options)
'''

HERALD = '''\
"""Tells and hears events, as a plug-in for Supervisor does it."""

from supervisor import events


class Deployed(events.Event):
    def __init__(self, version):
        self.version = version

    def payload(self):
        return "version:%s" % self.version


events.register("DEPLOYED", Deployed)


class Herald:
    def __init__(self, supervisord):
        self.supervisord = supervisord
        self.heard = []
        events.subscribe(events.ProcessStateRunningEvent, self._hear)

    def announce(self, version):
        """@return boolean"""
        events.notify(Deployed(version))
        self.supervisord.emit("Rolled_Out", "everywhere")
        return True

    def seen(self):
        """@return array"""
        return self.heard

    def _hear(self, event):
        process = event.process
        self.heard.append([process.group.config.name, process.config.name, process.pid, event.payload()])
'''

EXTENSION = "[rpcinterface:twiddler]\nsupervisor.rpcinterface_factory=twiddler:make\ngreeting=good morning\n"
SLEEP = "command=sleep 100000\nstartsecs=0\n"
NEW = {"command": "sleep 100000", "startsecs": "0"}
FAULT = xmlrpc.client.Fault

pytestmark = pytest.mark.ours


Start = Callable[..., None]


@pytest.fixture
def start(rig: Rig) -> Start:
    """Start the daemon with a module beside the configuration: `start(text, name="twiddler", ready=True)`."""

    def start(text: str, name: str = "twiddler", *, ready: bool = True) -> None:
        (rig.dir / f"{name}.py").write_text(text, encoding="utf-8")
        path = f"{ROOT}:{rig.dir}"
        rig.start(ready=ready, PYTHONPATH=path, PYTHONDONTWRITEBYTECODE="1", PYTHONWARNINGS="ignore")

    return start


def test_a_plug_in_for_supervisor_works_as_it_is(rig: Rig, start: Start) -> None:
    rig.write(f"[program:web]\n{SLEEP}[program:idle]\nautostart=false\n{SLEEP}", head=EXTENSION)
    start(TWIDDLER)
    rig.until_line("good morning from supervisor")
    rig.until_line("RPC interface 'twiddler' initialized")
    twiddler = rig.rpc.twiddler
    assert twiddler.getGroupNames() == ["idle", "web"]
    assert rig.rpc.system.methodSignature("twiddler.addProgramToGroup") == ["boolean", "string", "string", "struct"]
    assert twiddler.log("from outside", 30)
    assert rig.until_line("from outside")[0].level == "WARN"
    web = rig.until("web", "RUNNING")["pid"]

    assert twiddler.addProgramToGroup("web", "more", {**NEW, "numprocs": "2", "process_name": "m%(process_num)d"})
    rig.until("web:m0", "RUNNING")
    rig.until("web:m1", "RUNNING")
    with pytest.raises(FAULT, match="BAD_NAME: m0"):
        twiddler.addProgramToGroup("web", "more", {**NEW, "process_name": "m0"})
    with pytest.raises(FAULT, match=r"INCORRECT_PARAMETERS: .*startsecs.*; .*stopsignal"):
        twiddler.addProgramToGroup("web", "bad", {**NEW, "startsecs": "soon", "stopsignal": "WAVE"})
    with pytest.raises(FAULT, match="STILL_RUNNING: m0"):
        twiddler.removeProcessFromGroup("web", "m0")
    rig.rpc.supervisor.stopProcess("web:m0")
    assert twiddler.removeProcessFromGroup("web", "m0")
    with pytest.raises(FAULT, match="FAILED: cannot remove idle: it is in the configuration"):
        twiddler.removeProcessFromGroup("idle", "idle")
    assert rig.states() == {"idle:idle": "STOPPED", "web:m1": "RUNNING", "web:web": "RUNNING"}
    assert rig.pid("web") == web
    rig.stop()


def test_events_go_both_ways(rig: Rig, start: Start) -> None:
    rig.write(
        f"[program:web]\nautostart=false\n{SLEEP}"
        f"[eventlistener:one]\nevents=DEPLOYED\ncommand={program('recorder.py')} {{dir}}/one\n"
        f"[eventlistener:all]\nevents=EVENT\ncommand={program('recorder.py')} {{dir}}/all\n",
        head="[rpcinterface:herald]\nsupervisor.rpcinterface_factory=herald:Herald\n",
    )
    start(HERALD, "herald")
    rig.until("one", "RUNNING")
    rig.until("all", "RUNNING")
    assert rig.rpc.herald.announce(7)
    assert "DEPLOYED" in rig.until_text("one", "version:7")
    assert "ROLLED_OUT" in rig.until_text("all", "everywhere")
    assert rig.text("all").count("version:7") == rig.text("one").count("version:7") == 1
    rig.rpc.supervisor.startProcess("web")
    seen = {name: rest for _, name, *rest in rig.rpc.herald.seen()}
    pid = rig.pid("web")
    assert seen["web"] == [pid, f"processname:web groupname:web from_state:STARTING pid:{pid}"]
    rig.stop()


def test_all_listeners_share_one_extension_and_a_restart_makes_a_new_one(rig: Rig, start: Start) -> None:
    rig.write(
        f"[program:web]\n{SLEEP}",
        head=EXTENSION + "[unix_http_server:two]\nfile={dir}/s2\n",
    )
    start(TWIDDLER)
    assert len(rig.lines("good morning")) == 1
    rig.rpc.taskmaster.addProgram("web", "more", NEW)
    rig.rpc.supervisor.restart()
    rig.until_line("good morning", 2)
    rig.wait_ready()
    assert rig.states().keys() == {"web:web"}, "what was added at run time ends with the daemon's run"
    assert rig.rpc.twiddler.getGroupNames() == ["web"]
    rig.stop()


def test_an_extension_that_cannot_be_made_ends_the_start(rig: Rig, start: Start) -> None:
    rig.write(f"[program:web]\n{SLEEP}", head=EXTENSION.replace("twiddler:make", "twiddler:explode"))
    start(TWIDDLER, ready=False)
    rig.wait_end(code=2)
    assert "Error: cannot load [rpcinterface:twiddler]: 'twiddler:explode' raised OSError: " in rig.text("said")
    assert "in explode" in rig.text("d.log")
    assert not rig.lines("spawned")


def test_a_restart_into_a_broken_extension_goes_back(rig: Rig, start: Start) -> None:
    rig.write(f"[program:web]\n{SLEEP}", head=EXTENSION)
    start(TWIDDLER)
    rig.write(f"[program:web]\n{SLEEP}", head=EXTENSION.replace("twiddler:make", "twiddler:explode"))
    rig.rpc.supervisor.restart()
    (line,) = rig.until_line("cannot start with the new configuration")
    assert "cannot load [rpcinterface:twiddler]" in line.text
    rig.wait_ready()
    assert rig.rpc.twiddler.getGroupNames() == ["web"]
    rig.stop()


@pytest.mark.parametrize("dialect", ["supervisor", "native"])
def test_the_example_of_the_documentation_works(rig: Rig, start: Start, dialect: str) -> None:
    page = (ROOT / "docs" / "extensions.md").read_text(encoding="utf-8")
    module = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0]
    section = re.findall(r"```ini\n(.*?)```", page, re.DOTALL)[0]
    inline = re.findall(r"`(rpcinterfaces: .*?)`\.", page)[0]
    if dialect == "native":
        rig.write_native("  web: {command: sleep 100000}\n" + inline + "\n")
    else:
        rig.write(f"[program:web]\n{SLEEP}", head=section)
    start(module, "crew")
    crew = rig.rpc.crew
    assert crew.names() == []
    assert crew.hire("ann") == ["crew:ann"]
    assert crew.hire("bob") == ["crew:bob"]
    assert crew.names() == ["ann", "bob"]
    with pytest.raises(FAULT, match="FAILED: the crew is complete with 2"):
        crew.hire("cid")
    assert rig.lines("hiring ann")
    rig.until("crew:ann", "RUNNING")
    assert crew.dismiss("ann")
    assert crew.names() == ["bob"]
    rig.until("crew:bob", "RUNNING")
    rig.rpc.supervisor.signalProcess("crew:bob", "KILL")
    rig.until("crew:bob", "EXITED")
    assert crew.countCrashes() == 1
    assert crew.dismiss("bob")
    with pytest.raises(FAULT, match="BAD_NAME: bob"):
        crew.dismiss("bob")
    assert rig.states().keys() == {"web:web"}
    rig.stop()


# --- programs at run time, by RPC -----------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", ["supervisor", "native"])
def test_what_was_added_outlives_rereads_and_updates(rig: Rig, dialect: str) -> None:
    def write(names: str) -> None:
        if dialect == "native":
            rig.write_native("".join(f"  {name}: {{command: sleep 100000, starttime: 0}}\n" for name in names))
        else:
            rig.write("".join(f"[program:{name}]\n{SLEEP}" for name in names))

    write("ab")
    rig.start()
    add, remove = rig.rpc.taskmaster.addProgram, rig.rpc.taskmaster.removeProcess
    assert add("a", "more", {**NEW, "autorestart": True}) == ["a:more"]
    assert add("fresh", "one", NEW) == ["fresh:one"]
    assert add("lone", "lone", {"command": "sleep 100000", "priority": 3}) == ["lone"]
    rig.until("a:more", "RUNNING")
    rig.until("fresh:one", "RUNNING")
    pids = {name: rig.pid(name) for name in ("a", "a:more", "fresh:one")}
    assert rig.rpc.supervisor.reloadConfig() == [[[], [], []]]
    write("ac")
    assert rig.rpc.supervisor.reloadConfig() == [[["c"], [], ["b"]]]
    rig.rpc.taskmaster.update()
    assert rig.states().keys() == {"a:a", "a:more", "c:c", "fresh:one", "lone:lone"}
    assert {name: rig.pid(name) for name in pids} == pids
    write("c")
    rig.rpc.supervisor.reloadConfig()
    rig.rpc.taskmaster.update()
    assert rig.states().keys() == {"a:more", "c:c", "fresh:one", "lone:lone"}
    assert rig.pid("a:more") == pids["a:more"]
    info = {item["name"]: item for item in rig.rpc.supervisor.getAllConfigInfo()}
    assert info["more"]["group"] == "a"
    assert info["lone"]["group_prio"] == 3

    rig.rpc.supervisor.stopProcess("fresh:one")
    assert remove("fresh:one")
    assert "fresh:one" not in rig.states()
    rig.rpc.supervisor.stopProcess("lone")
    assert rig.rpc.supervisor.removeProcessGroup("lone")
    assert rig.rpc.supervisor.reloadConfig() == [[[], [], []]]
    with pytest.raises(FAULT, match="BAD_NAME: fresh:one"):
        remove("fresh:one")
    rig.stop()


def test_the_file_wins_over_what_was_added(rig: Rig) -> None:
    rig.write(f"[program:a]\n{SLEEP}")
    rig.start()
    rig.rpc.taskmaster.addProgram("b", "b", NEW)
    rig.write(f"[program:a]\n{SLEEP}[program:b]\ncommand=sleep 99999\nstartsecs=0\n")
    rig.rpc.supervisor.reloadConfig()
    assert rig.until_line("b was added at run time; from now on what the file says of it counts")
    rig.rpc.taskmaster.update()
    rig.until("b", "RUNNING")
    with pytest.raises(FAULT, match="FAILED: cannot remove b: it is in the configuration"):
        rig.rpc.taskmaster.removeProcess("b")
    rig.stop()


def test_what_cannot_be_added_or_removed_is_refused(rig: Rig) -> None:
    rig.write(
        f"[program:a]\n{SLEEP}[eventlistener:l]\nevents=REMOTE_COMMUNICATION\ncommand=cat\n",
    )
    rig.start()
    add, remove = rig.rpc.taskmaster.addProgram, rig.rpc.taskmaster.removeProcess
    for call, arguments, text in (
        (add, ("a", "a", NEW), "BAD_NAME: a"),
        (add, ("l", "x", NEW), "FAILED: cannot add to 'l': it is a pool of event listeners"),
        (add, ("a", "x", {}), "INCORRECT_PARAMETERS: .*does not specify a command"),
        (add, ("a", "x:y", NEW), "INCORRECT_PARAMETERS: .*cannot name a program 'x:y'"),
        (add, ("a", "x", {"command": ["a"]}), "INCORRECT_PARAMETERS: an option must be one value"),
        (add, ("a", "x", "command"), "INCORRECT_PARAMETERS"),
        (add, ("a", "x"), "INCORRECT_PARAMETERS"),
        (remove, ("nope",), "BAD_NAME: nope"),
        (remove, ("a:*",), "BAD_NAME: a:"),
        (remove, ("a",), "FAILED: cannot remove a: it is in the configuration"),
    ):
        with pytest.raises(FAULT, match=text):
            call(*arguments)
    rig.rpc.taskmaster.addProgram("a", "x", NEW)
    with pytest.raises(FAULT, match="STILL_RUNNING: a:x"):
        remove("a:x")
    assert rig.states().keys() == {"a:a", "a:x", "l:l"}
    rig.stop()
