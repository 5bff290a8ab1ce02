"""Plays a scenario on a rig and writes down all that a client could see, so that two daemons can be compared.

What differs from run to run (pids, times, directories, random letters) is replaced by a word; nothing else is.
"""

import getpass
import json
import os
import re
import signal
import socket
import subprocess
import threading
import xmlrpc.client
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

from tests.conformance import steps
from tests.conformance.forked import Hosts
from tests.conformance.http_transcript import exchange, talk
from tests.conformance.steps import Scenario, Step
from tests.e2e import world
from tests.e2e.harness import Answer, Rig
from tests.support import eventually

PROCESS_KEYS = frozenset(
    (
        "name",
        "group",
        "start",
        "stop",
        "now",
        "state",
        "statename",
        "spawnerr",
        "exitstatus",
        "logfile",
        "stdout_logfile",
        "stderr_logfile",
        "pid",
        "description",
    )
)
_OUTPUT_KEYS = ("capture_maxbytes", "events_enabled", "logfile", "logfile_backups", "logfile_maxbytes", "syslog")
CONFIG_KEYS = frozenset(
    (
        "autostart",
        "command",
        "directory",
        "exitcodes",
        "group",
        "group_prio",
        "inuse",
        "killasgroup",
        "name",
        "process_prio",
        "redirect_stderr",
        "serverurl",
        "startretries",
        "startsecs",
        "stopsignal",
        "stopwaitsecs",
        "uid",
        *(f"{channel}_{key}" for channel in ("stdout", "stderr") for key in _OUTPUT_KEYS),
    )
)
"""what the original tells; more keys are welcome, fewer are not"""
SYSTEM_METHODS = frozenset(f"system.{name}" for name in ("listMethods", "methodHelp", "methodSignature", "multicall"))
"""what the original has of them; our own come on top"""

_PATIENCE_S = 30.0

_UNTOLD = (
    r"^INFO (Increased|Set uid|waiting for .* to (stop|die)|configuration read)"
    r"|^CRIT Supervisor is running as root"
    r"|^ERRO configuration refused|unknown (option|section), ignored|two processes are named|own includes are not"
)
"""lines that depend on the machine, come as often as time passes, or that only tmd has: it says what it passes over"""


def play(scenario: Scenario, rig: Rig, hosts: Hosts) -> list[str]:
    """Start the rig, take the steps, stop it; return the transcript."""
    return _Player(scenario, rig, hosts).play()


class _Player:
    def __init__(self, scenario: Scenario, rig: Rig, hosts: Hosts) -> None:
        self._hosts = hosts
        self._scenario = scenario
        self._rig = rig
        self._pid = 0
        self._port = _free_port() if "{port}" in repr(scenario) else 0

    def play(self) -> list[str]:
        with self._attentive():
            return self._played()

    def _played(self) -> list[str]:
        scenario, rig = self._scenario, self._rig
        rig.credentials = scenario.credentials
        for file, text in scenario.files.items():
            self._write(file, text)
        self._configure(scenario.programs, scenario.daemon, scenario.head)
        if scenario.runs:
            self._start()
        self._pid = rig.daemon_pid
        told: list[str] = []
        for step in scenario.steps:
            told += [self._plain(line) for line in self._take(step)]
        if scenario.runs:
            self._end()
        if scenario.log != "no":
            lines = [f"{line.level} {line.text}" for line in rig.lines()]
            lines = [self._plain(line) for line in lines if not re.search(_UNTOLD, line)]
            told += ["---- log", *(lines if scenario.log == "ordered" else sorted(set(lines)))]
        return told

    def _start(self) -> None:
        rig = self._rig
        words = ["-c", str(rig.conf), "-n", *self._filled(self._scenario.arguments).split()]
        environment = rig.environment() | dict(self._scenario.environment)
        running = self._hosts[rig.subject].start(words, directory=rig.dir, environment=environment, said=rig.said)
        rig.daemon = cast("subprocess.Popen[bytes]", running)
        rig.daemon_pid = running.pid
        rig.wait_ready()

    def _end(self) -> None:
        daemon = self._rig.daemon
        assert daemon is not None
        self._settle()
        if not self._scenario.ends:
            world.kill(self._rig.daemon_pid, signal.SIGTERM)
        self._rig.wait_end()

    @contextmanager
    def _attentive(self) -> Iterator[None]:
        """Knock at the original's door all the time: it looks up from its one-second poll then, and at its children."""
        if self._rig.subject != "supervisord":
            yield
            return
        enough = threading.Event()

        def knock() -> None:
            while not enough.wait(0.03):
                with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
                    try:
                        link.connect(str(self._rig.socket))
                    except OSError:
                        continue

        knocker = threading.Thread(target=knock)
        knocker.start()
        try:
            yield
        finally:
            enough.set()
            knocker.join()

    def _settle(self) -> None:
        """Wait until each child of the original has become its program: a signal that comes before is lost."""
        if self._rig.subject != "supervisord" or not self._pid:
            return
        forked = world.command(self._pid)
        if forked:
            eventually(lambda: all(world.command(child) != forked for child in world.children(self._pid)), _PATIENCE_S)

    def _configure(self, programs: str, daemon: str, head: str) -> None:
        scenario = self._scenario
        self._rig.write(
            self._filled(programs),
            daemon=self._filled(daemon),
            head=self._filled(head),
            server=self._filled(scenario.server),
            ctl=self._filled(scenario.ctl),
        )

    def _filled(self, text: str) -> str:
        for name, value in (("{dir}", self._rig.dir), ("{port}", self._port), ("{me}", getpass.getuser())):
            text = text.replace(name, str(value))
        return text

    def _write(self, file: str, text: str | None) -> None:
        path = self._rig.dir / file
        if text is None:
            path.unlink()
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._filled(text), encoding="utf-8")

    def _take(self, step: Step) -> list[str]:
        rig = self._rig
        if isinstance(step, steps.Ctl | steps.Rpc | steps.Kill | steps.Signal):
            self._settle()
        match step:
            case steps.Ctl():
                return self._ctl(step)
            case steps.Rpc(method, arguments):
                return [f"{method}{arguments!r}", f"-> {self._call(method, arguments)!r}"]
            case steps.Until(name, state):
                rig.until(name, *state.split("|"))
            case steps.UntilLine(pattern, times):
                rig.until_line(pattern, times)
            case steps.UntilText(file, text, times):
                rig.wait(lambda: rig.text(file).count(text) >= times, what=f"{times} x {text!r} in {file}")
            case steps.UntilGone(file):
                rig.wait(lambda: not (rig.dir / file).exists(), what=f"{file} is gone")
            case steps.Gone():
                assert rig.daemon is not None
                rig.daemon.wait(_PATIENCE_S)
            case steps.Config(programs, daemon, head):
                self._configure(programs, daemon, head)
            case steps.Write(file, written):
                self._write(file, written)
            case steps.Show(file, order, wanted):
                lines = rig.text(file).split("\n")
                return [f"{file}:", *_arranged([line for line in lines if re.search(wanted, line)], order)]
            case steps.Facts():
                return self._facts(step)
            case steps.Kill(name, signum):
                pid = rig.pid(name)
                os.kill(pid, signum)
                rig.wait(lambda: rig.pid(name) != pid, what=f"the end of {pid} is noticed")
            case steps.Signal(signum):
                world.kill(rig.daemon_pid, signum)
            case steps.Again(times):
                rig.until_line("supervisord started with pid", times + 1)
                rig.wait_ready()
            case steps.Launch():
                return self._launch(step)
            case steps.Http():
                target = ("127.0.0.1", self._port) if step.port else str(rig.socket)
                return exchange(target, step, self._filled)
            case steps.Talk(where, text):
                target = ("127.0.0.1", self._port) if where == "port" else str(rig.dir / where)
                return [f"{where} <- {text!r}", f"-> {talk(target, text)!r}"]
            case steps.Events():
                return _events(rig.text(step.file), step)
            case steps.Mode(file):
                path = rig.dir / file
                return [f"mode of {file}: {oct(path.stat().st_mode) if path.exists() else 'none'}"]
        return []

    def _run(self, program: str, words: Sequence[str], typed: str, environment: Mapping[str, str]) -> Answer:
        return self._hosts[program].run(
            words, typed=typed, directory=self._rig.dir, environment=environment, deadline_s=_PATIENCE_S
        )

    def _ctl(self, step: steps.Ctl) -> list[str]:
        rig = self._rig
        words = self._filled(step.words).split()
        if step.file != "none":
            words = ["-c", str(rig.dir / step.file if step.file else rig.conf), *words]
        answer = self._run(rig.client, words, self._filled(step.typed), rig.client_environment())
        assert "Traceback" not in answer.err, answer.err
        assert "defect of tmctl" not in answer.err, answer.err
        said = [line for line in _without_help(answer.text).split("\n") if re.search(step.told, line)]
        told = [f"$ {step.words}", *_arranged(said, step.order), f"= {answer.code}"]
        return [*told, *(f"2> {line}" for line in answer.err.splitlines() if step.errors)]

    def _launch(self, step: steps.Launch) -> list[str]:
        self._write("launched.conf", step.text)
        words = ["-c", str(self._rig.dir / "launched.conf")] if step.text else []
        words += self._filled(step.arguments).split()
        answer = self._run(self._rig.subject, words, "", self._rig.environment())
        errors = [line for line in answer.err.split("\n") if line.startswith("Error:")]
        text = step.text.removeprefix("[supervisord]\n")
        return [
            f"daemon {step.arguments} on {text!r}",
            *errors,
            *(answer.text.splitlines() if step.says else ()),
            f"= {answer.code}",
        ]

    def _facts(self, step: steps.Facts) -> list[str]:
        rig = self._rig
        rig.wait(lambda: rig.text(step.file), what=step.file)
        facts = json.loads(rig.text(step.file))
        environment = {name: facts["environment"].get(name) for name in step.environment}
        return [f"{step.file}: { {key: facts[key] for key in step.keys} } {environment}"]

    def _call(self, method: str, arguments: tuple[Any, ...]) -> Any:
        try:
            answer = getattr(self._rig.rpc, method)(*arguments)
        except xmlrpc.client.Fault as fault:
            return f"Fault {fault.faultCode}: {fault.faultString}"
        except xmlrpc.client.ProtocolError as error:
            return f"HTTP {error.errcode}"
        return _timeless(answer)

    def _plain(self, line: str) -> str:
        line = line.replace(str(self._rig.dir), "DIR")
        if self._pid:
            line = re.sub(rf"\b{self._pid}\b", "DAEMON", line)
        if self._port:
            line = re.sub(rf"\b{self._port}\b", "PORT", line)
        for pattern, word in _VARYING:
            line = re.sub(pattern, word, line, flags=re.MULTILINE)
        return line


_VARYING: Sequence[tuple[str, str]] = (
    (r"\bpid:? \d+", "pid N"),
    (r"\(\d+\) with SIG", "(N) with SIG"),
    (r"uptime \d+:\d\d:\d\d", "uptime T"),
    (r"\b[A-Z][a-z]{2} \d\d \d\d:\d\d [AP]M", "TIME"),
    (r"---(\w+)-\w{8}\.log", r"---\1-RANDOM.log"),
    (r"file: \S+ line: \d+", "file: F line: N"),
    (r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}", "WHEN"),
    (r"For help, use \S+", "For help, use PROGRAM"),
    (r"\bwhen:\d+", "when:T"),
    (r"^\d+$", "N"),
)


def _arranged(lines: list[str], order: steps.Order) -> list[str]:
    return sorted(lines) if order == "any" else lines


def _events(text: str, step: steps.Events) -> list[str]:
    """Return the envelopes: `len` is checked against the payload, pids inside become N."""
    told: list[str] = []
    for line in text.splitlines():
        head, payload = json.loads(line)
        fields = dict(pair.split(":", 1) for pair in head.split())
        if not re.search(step.told, f"{fields['eventname']} {payload}"):
            continue
        if step.order == "any":
            fields |= {"serial": "N", "poolserial": "N"}
        assert int(fields.pop("len")) == len(payload), f"len is wrong: {line}"
        named = re.sub(r"\bpid:\d+", "pid:N", payload)
        told.append(f"{fields} {named!r}")
    return [f"{step.file}:", *_arranged(told, step.order)]


def _without_help(text: str) -> str:
    """After a wrong usage comes the command's help, whose words are each client's own."""
    wrong_usage = text.startswith(("Error: ", "ERROR: no process name supplied"))
    return text.partition("\n")[0] if wrong_usage else text


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        known = PROCESS_KEYS if "statename" in value and "name" in value else CONFIG_KEYS if "inuse" in value else value
        return {
            key: ("some" if item else "none") if key in ("pid", "now", "start", "stop") else _timeless(item)
            for key, item in sorted(value.items())
            if key in known
        }
    if isinstance(value, list) and "system.multicall" in value:
        return [name for name in value if name.startswith("supervisor.") or name in SYSTEM_METHODS]
    if isinstance(value, list):
        return [_timeless(item) for item in value]
    return value


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
