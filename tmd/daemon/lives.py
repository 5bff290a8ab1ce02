"""Lives: the processes that exist. Starts them with their pipes, tells when they are gone and their output is in.

A process is *gone* when the kernel says so, and *told* once all its output up to then is in its log, or after
`DRAIN_GRACE_S` at the latest: a hung disk must delay neither the news nor the restart.
"""

import errno
import os
import signal
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial

from msgspec.structs import replace

from tmd.config.settings import ProcessSpec
from tmd.core import records
from tmd.core.inputs import ExitStatus, LeftBehind
from tmd.core.words import ending
from tmd.daemon.files_room import FilesRoom
from tmd.daemon.launching import Launching, Start
from tmd.daemon.life import ChannelKey, Ears, Life, LivesState, last_words
from tmd.daemon.life_records import LifeRecords
from tmd.daemon.logbook import CHANNELS
from tmd.daemon.plumbing import Plumbing, is_heard
from tmd.daemon.surface import Channel
from tmd.daemon.terminals import Terminal
from tmd.daemon.trees import Trees
from tmd.posix import children, pty
from tmd.posix.drain import Drain, Sinks
from tmd.posix.logfiles import create
from tmd.posix.loop import ChildEvent, Loop, Timer
from tmd.posix.pidfds import Gone, Strangers
from tmd.posix.pipes import close_all, input_pipe, output_pipe
from tmd.posix.stdin import StdinWriter
from tmd.wire.faults import Fault
from tmd.wire.frames import USUAL_SIZE
from tmd.wire.names import ProcessId

DRAIN_GRACE_S = 0.2
LINGERING_LIMIT = 8
"""how many pipes of earlier lives of one stream, held open by what they left behind, go on being drained"""


class Lives:
    """All processes that exist, by pid and by name.

    `ended(id, status)` is called once per life. `files_limit`: the soft limit of open files for children.
    `ends_groups`: what a leader with `killasgroup` leaves in its process group goes with it. `listening`: the
    descriptor of the socket a process gets in place of a stdin, if any; raises `SpawnRefused`. `ears`: who hears event
    listeners. `trees`: sees to what processes leave behind. `told` gets what happens to those that are no children of
    ours, and passes it on as that of children.
    """

    def __init__(
        self,
        *,
        loop: Loop,
        drain: Drain,
        launching: Launching,
        plumbing: Plumbing,
        ended: Callable[[ProcessId, ExitStatus], None],
        ends_groups: bool,
        files_limit: int,
        listening: Callable[[ProcessSpec], int | None],
        ears: Ears,
        told: Callable[[ChildEvent], object],
        trees: Trees,
    ) -> None:
        self._loop, self._drain = loop, drain
        self._strangers = Strangers(loop, told)
        self.trees = trees
        self.launching = launching
        self._plumbing = plumbing
        self._ended = ended
        self._ends_groups = ends_groups
        self._listening = listening
        self._ears = ears
        self._room = FilesRoom(files_limit)
        self._by_pid: dict[int, Life] = {}
        self._by_id: dict[ProcessId, Life] = {}
        self._untold: dict[int, Life] = {}
        """gone, but that was not told yet"""
        self._held = False
        self.records = LifeRecords()
        self._generation = 0
        self._lingering: dict[tuple[ProcessId, Channel], list[ChannelKey]] = {}
        self._null: int | None = None

    def __len__(self) -> int:
        return len(self._by_pid)

    def get(self, id_: ProcessId) -> Life | None:
        """Return the life of a process that exists and was not reaped."""
        return self._by_id.get(id_)

    def pids(self) -> list[int]:
        """Return the pids that exist."""
        return list(self._by_pid)

    def record(self, id_: ProcessId) -> records.Life | None:
        """Return what has to be remembered of the last life of a process, also when that is over."""
        return self.records.get(id_)

    def spawn(self, spec: ProcessSpec, serverurl: str | None, token: str) -> int:
        """Start a process and return its pid; raises `SpawnRefused`. Nothing is left behind by a failure.

        `token`: which life it is, told to it as `records.LIFE`.
        """
        start = self.launching.prepare(spec, spec.command, serverurl, token)
        if spec.tty:
            return self._spawn_on_terminal(spec, start, token)
        outputs: dict[Channel, int] = {}
        with self._opening(spec) as (mine, theirs):
            child_in, parent_in = self._input(spec, mine, theirs)
            child_out = self._output("stdout", spec, outputs, mine, theirs)
            child_err = child_out if spec.redirect_stderr else self._output("stderr", spec, outputs, mine, theirs)
            self._room.make(child_in if parent_in is None else parent_in)
            with self.trees.marking(spec.orphans, token):
                before = self.records.births.now()
                pid = start.now(stdin=child_in, stdout=child_out, stderr=child_err)
        self.records.began(spec, token, pid, before, self._begun(spec, token, pid), stdin=parent_in, outputs=outputs)
        self._settle(spec, pid, parent_in, outputs)
        return pid

    def _spawn_on_terminal(self, spec: ProcessSpec, start: Start, token: str) -> int:
        with self._opening(spec) as (mine, theirs):
            ours, child = pty.open_terminal(USUAL_SIZE, spec.uid)
            mine.append(ours)
            theirs.append(child)
            parent_in = pty.duplicate(ours)
            mine.append(parent_in)
            screen = pty.duplicate(ours)
            mine.append(screen)
            self._room.make(screen)
            with self.trees.marking(spec.orphans, token):
                before = self.records.births.now()
                pid = start.now(stdin=child, stdout=child, stderr=child, terminal=True)
        self.records.began(spec, token, pid, before, self._begun(spec, token, pid))
        self._settle(spec, pid, parent_in, {"stdout": ours}, screen)
        return pid

    def adopt(self, spec: ProcessSpec, record: records.Life, stdin: int | None, outputs: Mapping[Channel, int]) -> None:
        """Take over a process that an earlier daemon has started, and our ends of its pipes; `Gone` if it has ended."""
        try:
            self._strangers.watch(record.pid, record.ticks)
        except Gone:
            if stdin is not None:
                os.close(stdin)
            self.inherit(spec, record.pid, outputs)
            raise
        self.records.put(spec.id, record)
        group = self.trees.taken_over(spec.id.namespec, spec.orphans, record.token, record.pid, record.cgroup)
        if group != record.cgroup:
            self.records.put(spec.id, replace(record, cgroup=group))
        self._settle(spec, record.pid, stdin, outputs)
        self._room.make(max((*outputs.values(), stdin or 0)))

    def inherit(self, spec: ProcessSpec, pid: int, outputs: Mapping[Channel, int]) -> None:
        """Drain what a process that is gone has left in its pipes, and what others write there."""
        self._generation += 1
        for channel, fd in outputs.items():
            key = ChannelKey(spec.id, channel, pid, self._generation)
            self._drain.open(key, fd, self._plumbing.sinks(spec, channel, pid))
            self._retire(key)

    def signal(self, pid: int, signum: int, whole_group: bool) -> None:
        """Signal a process that exists, or its whole group; one that is gone already is no error. OSError."""
        if pid in self._strangers:
            self._strangers.signal(pid, signum, whole_group)
        else:
            children.send_signal(pid, signum, whole_group)

    def start_beside(
        self, spec: ProcessSpec, command: str, serverurl: str | None, token: str, facts: Mapping[str, str | None]
    ) -> tuple[int, dict[Channel, int]]:
        """Start another command as the program would be; return its pid and the read ends of its output.

        `facts` are variables beside those of the program, None: not to be there. Its stdin is empty. The pipes and the
        news of its end are the caller's. Raises `SpawnRefused`, with nothing left behind.
        """
        start = self.launching.prepare(spec, command, serverurl, token)
        environment = {**start.environment, **facts}
        start = start._replace(environment={name: value for name, value in environment.items() if value is not None})
        outputs: dict[Channel, int] = {}
        with self._opening(spec) as (mine, theirs):
            # What a listener says on stdout is a protocol, and no place for another's words.
            plain: Channel = "stderr" if is_heard(spec, "stdout") else "stdout"
            child_out = child_err = self._output(plain, spec, outputs, mine, theirs)
            if plain == "stdout" and not spec.redirect_stderr:
                child_err = self._output("stderr", spec, outputs, mine, theirs)
            child_in = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
            theirs.append(child_in)
            self._room.make(child_in)
            with self.trees.marking(spec.orphans, token):
                pid = start.now(stdin=child_in, stdout=child_out, stderr=child_err)
        self._begun(spec, token, pid)
        return pid, outputs

    def _begun(self, spec: ProcessSpec, token: str, pid: int) -> str:
        """Do what is due once a process is there; return the control group it is to be in."""
        self._room.give(pid)
        return self.trees.begun(spec.id.namespec, spec.orphans, token, pid)

    def sinks(self, spec: ProcessSpec, channel: Channel, pid: int, hook: str) -> Sinks:
        """Return where the output of a hook of a program goes."""
        return self._plumbing.sinks(spec, channel, pid, hook)

    @contextmanager
    def _opening(self, spec: ProcessSpec) -> Iterator[tuple[list[int], list[int]]]:
        """Give two lists for descriptors, ours and the child's; ours are closed when its start fails, these always."""
        mine: list[int] = []
        theirs: list[int] = []
        try:
            yield mine, theirs
        except OSError as why:
            close_all(mine)
            if why.errno == errno.EMFILE:
                self._room.raise_limit()
            raise children.SpawnRefused(
                children.pipes_refused(spec.name, why), Fault.SPAWN_ERROR, transient=True
            ) from why
        except children.SpawnRefused:
            close_all(mine)
            raise
        finally:
            close_all(theirs)

    def child_event(self, event: ChildEvent) -> ProcessId | None:
        """Take the kernel's word about a child; returns whose it was, None for a process that is not ours."""
        life = self._by_pid.get(event.pid)
        if event.kind != "exited":
            return life.id if life else None
        if life is None:
            return None
        del self._by_pid[event.pid]
        life.end, self._untold[event.pid] = event, life
        if self._by_id.get(life.id) is life:
            del self._by_id[life.id]
        life.stdin.close()
        ends_group = self._ends_groups and life.spec.killasgroup and not self.trees.ends(life.pid)
        if ends_group:
            self._end_group(life.pid)
        status = ExitStatus(event.code, event.signal, event.core, cpu_s=event.cpu_s)
        self.trees.ended(life.pid, partial(self._alone, life, status), group_ended=ends_group)
        return life.id

    def _alone(self, life: Life, status: ExitStatus, left: LeftBehind) -> None:
        """A process is gone, and what it had started is as it is to be."""
        status = replace(status, left=left) if left.count else status
        if life.listens:
            self._hear_last_words(life)
        elif not life.keys:
            self._tell(life, status)
            return
        self._drain_then_tell(life, status)

    def _hear_last_words(self, life: Life) -> None:
        """Have a listener that is gone heard to the end; what it left behind may go on talking, to its log."""
        fd = self._ears.ended(life.id)
        if fd is not None:
            self._generation += 1
            key = ChannelKey(life.id, "stdout", life.pid, self._generation)
            self._drain.open(key, fd, Sinks(target=self._plumbing.logbook.target(life.id, "stdout")))
            self._retire(key)

    def retarget(self, spec: ProcessSpec) -> None:
        """Send the output of a living process where its settings say, if these are new."""
        life = self._by_id.get(spec.id)
        if life is not None and life.spec != spec:
            self._redirect(life, spec)

    def _redirect(self, life: Life, spec: ProcessSpec) -> None:
        life.spec = spec
        for key in life.keys:
            self._drain.retarget(key, self._sinks(spec, key.channel, key.pid, life.terminal))

    def copy_output(self, *, on: bool) -> None:
        """Begin or end to copy all output; of what had no pipe so far, from its next start."""
        if on != self._plumbing.copying:
            self._plumbing.copying = on
            for life in self._by_id.values():
                self._redirect(life, life.spec)

    def forget(self, id_: ProcessId) -> None:
        """A process was removed: what its earlier lives left open is drained no further."""
        self.records.forget(id_)
        for channel in CHANNELS:
            for key in self._lingering.pop((id_, channel), ()):
                self._drain.close(key)

    # --- from one daemon to the next ------------------------------------------------------------------------------

    def hold(self) -> None:
        """Tell no end any more, and hear of none."""
        self._held = True
        self._strangers.hold()

    def state(self) -> LivesState:
        """Return all there is, for another daemon to go on with."""
        strangers = self._strangers.state()
        lives = [life.state(strangers.get(life.pid)) for life in (*self._by_pid.values(), *self._untold.values())]
        lingering = [key for keys in self._lingering.values() for key in keys]
        return LivesState(
            lives=lives,
            remembered=self.records.all(),
            lingering=lingering,
            generation=self._generation,
        )

    def take_over(self, state: LivesState, spec_of: Callable[[ProcessId], ProcessSpec | None]) -> None:
        """Go on where an earlier daemon was, but for what its drain had; `spec_of`: settings in force."""
        self._generation = state.generation
        for id_, known in state.remembered:
            self.records.put(id_, known)
        for key in state.lingering:
            self._lingering.setdefault((key.id, key.channel), []).append(key)
        for kept in state.lives:
            spec, record = spec_of(kept.id), self.records.get(kept.id)
            if spec is None or record is None:
                continue
            stdin = StdinWriter(self._loop, kept.stdin)
            stdin.resume(kept.unwritten)
            terminal = None if kept.terminal is None else Terminal.resumed(self._loop, stdin, kept.terminal)
            taken = Life(spec, kept.pid, stdin, kept.keys, terminal)
            taken.listens = kept.listens
            self._by_pid[taken.pid] = self._by_id[taken.id] = taken
            if kept.stranger is not None:
                self._strangers.take_over(taken.pid, kept.stranger)
            ours = kept.stranger is None
            self.trees.taken_over(taken.id.namespec, spec.orphans, record.token, taken.pid, record.cgroup, ours=ours)

    def resumed_sinks(self, key: ChannelKey, spec: ProcessSpec) -> Sinks:
        """Return where the output goes of a pipe that was taken over."""
        life = self._by_pid.get(key.pid)
        terminal = life.terminal if life is not None and key in life.keys else None
        return self._sinks(spec, key.channel, key.pid, terminal)

    def close(self) -> None:
        """Let go of what is held for all children."""
        self.trees.close()
        self._strangers.close()
        for life in self._by_pid.values():
            life.stdin.close()
            if life.terminal is not None:
                life.terminal.end("the daemon has ended")
        if self._null is not None:
            os.close(self._null)
            self._null = None

    def _end_group(self, leader: int) -> None:
        """Kill what a leader has left; its number cannot have been given away yet: that takes a round of all pids."""
        try:
            self.signal(leader, signal.SIGKILL, whole_group=True)
        except OSError:
            return  # another user's: not ours to end, and no reason to hold back the news of the leader's end

    def room_for_files(self) -> bool:
        """Tell whether files may be opened for what is no program: some descriptors are kept for those."""
        return self._room.enough()

    def _tell(self, life: Life, status: ExitStatus) -> None:
        if not self._held:
            self._untold.pop(life.pid, None)
            self._ended(life.id, status)

    def _drain_then_tell(self, life: Life, status: ExitStatus) -> None:
        last = self._drain.over(life.keys)
        if last is not None:
            self._tell_with(last, life, status)
            for key in life.keys:
                with suppress(KeyError, ValueError):  # it may have been one too many
                    self._lingering[key.id, key.channel].remove(key)
            return
        told = False
        deadline: Timer

        def tell(last: Mapping[Hashable, bytes]) -> None:
            nonlocal told
            if not told:
                told = True
                deadline.cancel()
                self._tell_with(last, life, status)

        deadline = self._loop.call_later(DRAIN_GRACE_S, partial(tell, {}))
        self._drain.finish_listening(life.keys, tell)

    def _tell_with(self, last: Mapping[Hashable, bytes], life: Life, status: ExitStatus) -> None:
        """Tell an end together with what was said last."""
        self._tell(life, replace(status, last_words=last_words(life.keys, last)))
        if life.terminal is not None:
            life.terminal.end(ending(status))

    def _input(self, spec: ProcessSpec, mine: list[int], theirs: list[int]) -> tuple[int, int | None]:
        """Return the child's end of its stdin, and ours: none where the child listens on a socket there."""
        listening = self._listening(spec)
        if listening is not None:
            return listening, None
        child, ours = input_pipe()
        theirs.append(child)
        mine.append(ours)
        return child, ours

    def _output(
        self, channel: Channel, spec: ProcessSpec, outputs: dict[Channel, int], mine: list[int], theirs: list[int]
    ) -> int:
        """Return the child's end for a channel: a pipe, or /dev/null where nobody would read it."""
        if not self._plumbing.wanted(spec, channel):
            if self._null is None:
                self._null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
            return self._null
        ours, child = output_pipe()
        mine.append(ours)
        theirs.append(child)
        outputs[channel] = ours
        return child

    def _sinks(self, spec: ProcessSpec, channel: Channel, pid: int, terminal: Terminal | None) -> Sinks:
        sinks = self._plumbing.sinks(spec, channel, pid)
        if sinks.target is not None:
            with suppress(OSError):  # the drain tells, and tries again
                create(sinks.target)  # now: whoever hears of the start may ask for the log before the drain has begun
        return sinks if terminal is None else replace(sinks, tap=terminal.tape.take)

    def _settle(
        self,
        spec: ProcessSpec,
        pid: int,
        parent_in: int | None,
        outputs: Mapping[Channel, int],
        screen: int | None = None,
    ) -> None:
        stdin = StdinWriter(self._loop, parent_in)
        terminal = None if screen is None else Terminal(self._loop, screen, stdin)
        self._generation += 1
        keys = []
        heard = None
        for channel, fd in outputs.items():
            if is_heard(spec, channel):
                heard = fd
                continue
            key = ChannelKey(spec.id, channel, pid, self._generation)
            keys.append(key)
            self._drain.open(key, fd, self._sinks(spec, channel, pid, terminal))
            self._retire(key)
        life = Life(spec, pid, stdin, tuple(keys), terminal)
        self._by_pid[pid] = life
        self._by_id[spec.id] = life
        if heard is not None:
            life.listens = True
            self._ears.opened(spec.id, heard)

    def _retire(self, key: ChannelKey) -> None:
        """Bound the descriptors that the leftovers of a restarting program can hold in us."""
        earlier = self._lingering.setdefault((key.id, key.channel), [])
        earlier.append(key)
        while len(earlier) > LINGERING_LIMIT:
            self._drain.close(earlier.pop(0))
