"""Faults somebody could make in the machine of one process, and in how it goes on, as patches of the source.

Walk and playbooks have to find every one of them; what they do not find, they do not prove.
"""

import re
import types
from pathlib import Path
from typing import NamedTuple

from tmd.core import condition, restoring
from tmd.core import process as machine


class Mutant(NamedTuple):
    fault: str
    old: str
    new: str


MUTANTS = [
    Mutant("one retry too many", "tries > spec.startretries", "tries > spec.startretries + 1"),
    Mutant("one retry too few", "tries > spec.startretries", "tries >= spec.startretries"),
    Mutant("epoch ignored", "    if epoch != process.epoch:\n        return process\n", ""),
    Mutant("epoch not bumped", "state=state, epoch=process.epoch + 1,", "state=state,"),
    Mutant(
        "forgotten restart after an exit",
        'return _launch(process, spec, "restart", now, out) if restarts else process\n\n\ndef _log_kill',
        "return process\n\n\ndef _log_kill",
    ),
    Mutant(
        "forgotten start after a stop",
        'return _launch(process, spec, "restart", now, out) if restarts else process\n\n\ndef _end',
        "return process\n\n\ndef _end",
    ),
    Mutant(
        "kill timer not re-armed",
        "_arm(process, spec, now + max(spec.stopwaitsecs, KILL_AGAIN_MIN_S), out)\n",
        "process\n",
    ),
    Mutant("SIGKILL in a frenzy", "max(spec.stopwaitsecs, KILL_AGAIN_MIN_S)", "spec.stopwaitsecs"),
    Mutant("no kill timer", "_arm(process, spec, now + spec.stopwaitsecs, out)", "process"),
    Mutant("no startsecs timer", "_arm(process, spec, now + spec.startsecs, out)", "process"),
    Mutant("no retry timer", "_arm(process, spec, retry_at, out)", "process"),
    Mutant("count not reset by RUNNING", "_move(replace(process, backoff=0), RUNNING)", "_move(process, RUNNING)"),
    Mutant("count not reset by FATAL", "_move(replace(process, backoff=0), FATAL)", "_move(process, FATAL)"),
    Mutant(
        "count reset by a stop",
        "_move(replace(process, pid=0), STOPPED)",
        "_move(replace(process, pid=0, backoff=0), STOPPED)",
    ),
    Mutant(
        "a stop in BACKOFF does nothing",
        "    if process.state is BACKOFF:\n        return _come_to_stop(process, spec, 0, None, now, out)\n",
        "",
    ),
    Mutant(
        "SIGKILL to the pid instead of the group",
        "SendSignal(spec.id, pid, words.SIGKILL, spec.killasgroup)",
        "SendSignal(spec.id, pid, words.SIGKILL, False)",
    ),
    Mutant(
        "stop signal to the group by killasgroup",
        "SendSignal(spec.id, process.pid, spec.stopsignal, spec.stopasgroup)",
        "SendSignal(spec.id, process.pid, spec.stopsignal, spec.killasgroup)",
    ),
    Mutant(
        "SIGTERM whatever the settings say",
        "process.pid, spec.stopsignal, spec.stopasgroup))",
        "process.pid, 15, spec.stopasgroup))",
    ),
    Mutant(
        "suspended programs are not continued",
        "    if process.paused:\n        _continue(process, spec, out)",
        "    if False:\n        _continue(process, spec, out)",
    ),
    Mutant(
        "an exit at startsecs is too quick",
        "_age_s(process, now) < spec.startsecs",
        "_age_s(process, now) <= spec.startsecs",
    ),
    Mutant(
        "a stop that overtakes the spawn is lost",
        "    if process.wanted is not Wanted.UP:\n        return _stop_if_up(process, spec, now, out)\n",
        "",
    ),
    Mutant(
        "a stop that overtakes a failing spawn is lost",
        "    if process.wanted is not Wanted.UP:\n        return _come_to_stop(process, spec, 0, None, now, out)\n",
        "",
    ),
    Mutant(
        "a death by signal counts as exit 0",
        "status.code in spec.exitcodes\n    wants",
        "(status.code or 0) in spec.exitcodes\n    wants",
    ),
    Mutant(
        "restarts while the daemon goes down",
        "would_restart and not process.quiesced",
        "would_restart",
    ),
    Mutant("restarts what was UNKNOWN", "wants_restart and process.state is RUNNING\n", "wants_restart\n"),
    Mutant("retries while the daemon goes down", "exhausted or process.quiesced", "exhausted"),
    Mutant(
        "starts while the daemon goes down",
        "    if process.quiesced:\n        return process\n    if process.at_rest:\n",
        "    if process.at_rest:\n",
    ),
    Mutant(
        "a restart under way survives the daemon's end",
        "if process.in_flight or process.then_start:",
        "if process.in_flight:",
    ),
    Mutant(
        "a stop leaves a restart standing",
        "replace(process, wanted=Wanted.DOWN, stopped_by_hand",
        "replace(process, stopped_by_hand",
    ),
    Mutant(
        "a program stopped by hand forgets it",
        "process.stopped_by_hand or asked.by_hand",
        "process.stopped_by_hand",
    ),
    Mutant(
        "a start forgets to clear it",
        "        process = replace(process, stopped_by_hand=False)\n        return _launch(",
        "        return _launch(",
    ),
    Mutant("the system's lack counted as the program's failure", "None, not failure.transient, now", "None, True, now"),
    Mutant(
        "starts twice while one is in flight",
        "not self.pid and self.state in (STOPPED, EXITED, FATAL, UNKNOWN)",
        "not self.pid and self.state is not BACKOFF",
    ),
    Mutant(
        "a second pid replaces the first",
        '    if not process.in_flight:\n        return process\n    out.append(Log(Level.INFO, f"spawned',
        '    out.append(Log(Level.INFO, f"spawned',
    ),
    Mutant("a refused signal goes unnoticed", "    return _move(process, UNKNOWN)\n", "    return process\n"),
    Mutant("suspended for ever", "replace(process, paused=False, stopped_at=now)", "replace(process, stopped_at=now)"),
    Mutant(
        "signals to nobody",
        "    if process.pid and process.state is not UNKNOWN:\n        name",
        "    if process.state is not UNKNOWN:\n        name",
    ),
    Mutant("the wait before a retry does not grow", "now + (tries if counted", "now + (1 if counted"),
    Mutant(
        "an old SIGKILL is remembered in a new life",
        "        stopping_at=None,\n        kill_sent_at=None,\n",
        "        stopping_at=None,\n",
    ),
    Mutant(
        "the last end's error stays after a start",
        '        spawnerr="",\n        exitstatus=0,\n',
        "        exitstatus=0,\n",
    ),
]

HOOK_MUTANTS = [
    Mutant("no prestop", "process.state is not RUNNING or not spec.prestop", "True"),
    Mutant(
        "prestop for what does not serve yet",
        "process.state is not RUNNING or not spec.prestop",
        "not spec.prestop",
    ),
    Mutant("prestop twice", " or process.state is STOPPING or process.prestopping", " or process.state is STOPPING"),
    Mutant(
        "a late answer counts", "ended.epoch != process.epoch or not process.prestopping", "not process.prestopping"
    ),
    Mutant(
        "an answer nobody waits for stops it",
        "ended.epoch != process.epoch or not process.prestopping",
        "ended.epoch != process.epoch",
    ),
    Mutant("the hooks of two stops look alike", "prestopping=True, epoch=process.epoch + 1", "prestopping=True"),
    Mutant("no veto", "if not ended.failure or spec.hook_failure", "if True or spec.hook_failure"),
    Mutant("a success is a veto", "if not ended.failure or spec.hook_failure", "if spec.hook_failure"),
    Mutant(
        "a veto whatever the policy", 'or spec.hook_failure != "abort" or process.stop_stands', "or process.stop_stands"
    ),
    Mutant("a veto against a removal", "or process.stop_stands or process.quiesced", "or process.quiesced"),
    Mutant("a veto against the daemon's end", "or process.stop_stands or process.quiesced", "or process.stop_stands"),
    Mutant("a removal is a stop like others", 'process.stop_stands or asked.cause == "removed"', "process.stop_stands"),
    Mutant("a removal is forgotten", 'process.stop_stands or asked.cause == "removed"', 'asked.cause == "removed"'),
    Mutant(
        "kept running, and restarted no more",
        "replace(process, wanted=Wanted.UP, stopped_by_hand=False, prestopping=False)",
        "replace(process, stopped_by_hand=False, prestopping=False)",
    ),
    Mutant(
        "kept running, and thought stopped by hand",
        "replace(process, wanted=Wanted.UP, stopped_by_hand=False, prestopping=False)",
        "replace(process, wanted=Wanted.UP, prestopping=False)",
    ),
    Mutant(
        "kept running, and deaf to the next stop",
        "replace(process, wanted=Wanted.UP, stopped_by_hand=False, prestopping=False)",
        "replace(process, wanted=Wanted.UP, stopped_by_hand=False)",
    ),
    Mutant(
        "a veto nobody is told of",
        "    out.append(Tell(ProcessStopAborted(spec.id, process.pid, reason)))\n",
        "",
    ),
    Mutant(
        "an end during prestop is an exit like others",
        "    if process.prestopping:  # it did",
        "    if False:  # it did",
    ),
    Mutant(
        "a hook is remembered beyond its life",
        "deadline=None, prestopping=False)",
        "deadline=None)",
    ),
    Mutant("the next life cannot be kept running", "        stop_stands=False,\n", ""),
    Mutant("a poststart of an earlier life counts", " or process.pid != failed.pid", ""),
    Mutant(
        "a poststart counts in any state",
        "process.state is not RUNNING or process.pid != failed",
        "process.pid != failed",
    ),
    Mutant("a veto after a failed poststart", "spawnerr=failed.reason, stop_stands=True)", "spawnerr=failed.reason)"),
    Mutant("nobody is told why it was stopped", "spawnerr=failed.reason, stop_stands=True)", "stop_stands=True)"),
    Mutant(
        "a failed poststart undoes a restart", "process.wanted if process.then_start else Wanted.DOWN", "Wanted.DOWN"
    ),
    Mutant(
        "a failed poststart is restarted", "process.wanted if process.then_start else Wanted.DOWN", "process.wanted"
    ),
    Mutant(
        "a stop waits for the spawn it overtook",
        "    if process.in_flight:\n        out.append(DropSpawn(spec.id))\n        return process\n",
        "",
    ),
    Mutant(
        "what is about to start outlives the daemon",
        "if process.in_flight or process.then_start:",
        "if process.then_start:",
    ),
    Mutant(
        "the daemon's end waits for what is about to start",
        "        out.append(DropSpawn(spec.id))  # nothing",
        "        pass  # nothing",
    ),
    Mutant("a retry looks like a start", '"retry", now, out)', '"start", now, out)'),
    Mutant("a restart in two halves looks like a start", '"restart" if input.again else "start"', '"start"'),
]

RESTORING_MUTANTS = [
    Mutant("a deadline is not remembered", "    return replace(process, deadline=at)\n", "    return process\n"),
    Mutant("a deadline outlives its state", "deadline=None, prestopping=False)", "prestopping=False)"),
    Mutant("a timer is not armed anew", "signals if process.deadline is None else", "signals if True else"),
    Mutant("a stop is not asked for again", "if same_daemon else _signals(process, spec)", "if True else ()"),
    Mutant("a stop handed over is asked for again", "() if same_daemon else _signals", "() if False else _signals"),
    Mutant("a timer is armed too late", "process.epoch, process.deadline)", "process.epoch, now + 1)"),
    Mutant("a start under way is forgotten", "        return process, (Spawn(spec.id, spec),)\n", "        pass\n"),
    Mutant(
        "a start that has worked is asked for twice",
        "process.in_flight and life is not None and life.pid",
        "False and life is not None and life.pid",
    ),
    Mutant(
        "startsecs count from the restore",
        "began = now if process.started_at is None else process.started_at",
        "began = now",
    ),
    Mutant(
        "a hook under way is forgotten",
        "return process, (RunPrestop(spec.id, spec, process.epoch, process.pid, process.cause),)",
        "return process, ()",
    ),
    Mutant("the daemon's end goes on", "process = replace(process, quiesced=False, put_off=None)", "pass"),
    Mutant(
        "what the daemon's end put off stays off",
        "halved or (process.quiesced and asked in (Wanted.UP, Wanted.AGAIN))",
        "halved",
    ),
    Mutant("a restart cut in two is a stop", 'process.cause == "restart" and', 'process.cause == "" and'),
    Mutant("a stop by hand is half a restart", ' and process.cause == "restart" and', " and"),
    Mutant(
        "nobody knows what was wanted before the daemon's end",
        "put_off=None if process.at_rest else process.wanted",
        "",
    ),
    Mutant("what rested comes up", "put_off=None if process.at_rest else process.wanted", "put_off=process.wanted"),
    Mutant(
        "a stop during the daemon's end is undone",
        '    if asked.cause != "shutdown":\n        process = replace(process, put_off=None)\n',
        "",
    ),
    Mutant("what would not be restarted comes up", "process.put_off if would_restart else None", "process.put_off"),
    Mutant(
        "what gave up is tried again", "        process = replace(process, put_off=None)\n        out", "        out"
    ),
    Mutant(
        "a failed poststart is forgotten over the daemon's end",
        "None if process.put_off is Wanted.UP else process.put_off",
        "process.put_off",
    ),
    Mutant(
        "a second end of the daemon forgets the first",
        "    if not process.quiesced:\n        process = replace(process, quiesced",
        "    if True:\n        process = replace(process, quiesced",
    ),
]


def build(mutant: Mutant) -> types.ModuleType:
    """Return the machine with the fault in it, or in what it remembers."""
    sources = []
    for part in (condition, machine, restoring):
        assert part.__file__ is not None
        sources.append(Path(part.__file__).read_text())
    fits = sum(source.count(mutant.old) for source in sources)
    assert fits == 1, f"{mutant.fault}: the patch fits {fits} places, not one"
    module = types.ModuleType(f"mutant of {machine.__name__}")
    for source in sources:
        # All end up in one module, so that no part imports the sound version of another.
        alone = re.sub(r"from tmd\.core\.(condition|process) import (\([^)]*\)|.*)\n", "", source)
        exec(compile(alone.replace(mutant.old, mutant.new), "<mutant>", "exec"), module.__dict__)
    return module
