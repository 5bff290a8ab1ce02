"""Tenants: what the listening sockets ask about the programs that use them, answered from the overseer."""

from collections.abc import Callable, Mapping

from tmd.config.settings import ProcessSpec
from tmd.core import inputs as i
from tmd.core.overseer import Overseer
from tmd.daemon.fcgi import Place
from tmd.wire.names import ProcessId
from tmd.wire.states import ProcessState

MARKS = ("SUPERVISOR_ENABLED", "SUPERVISOR_SERVER_URL", "SUPERVISOR_GROUP_NAME")
"""what two lives under the same configuration have in common, whichever daemon started them"""


class Tenants:
    """The programs, as the sockets see them. `environment`: what a process is started with."""

    def __init__(
        self,
        overseer: Overseer,
        environment: Callable[[ProcessSpec], Mapping[str, str]],
        tell: Callable[[ProcessId, i.ProcessInput], None],
    ) -> None:
        self._overseer, self._environment, self._tell = overseer, environment, tell

    def moves_off(self, id_: ProcessId, place: Place) -> bool:
        """Tell whether a process that has a place will soon have it no more: it stops, leaves or goes elsewhere."""
        member = self._overseer.member(id_)
        if member is None or member.leaving or member.process.state is ProcessState.STOPPING:
            return True
        return Place.of(member.spec) != place

    def is_kin(self, process: ProcessSpec, environment: Mapping[str, str]) -> bool:
        """Tell whether an environment is the one that this daemon, or an earlier one, gives processes of a program."""
        ours = self._environment(process)
        if any(environment.get(mark) != ours.get(mark) for mark in MARKS):
            return False
        group = self._overseer.groups.get(process.group)
        name = environment.get("SUPERVISOR_PROCESS_NAME")
        if group is None or not name:
            return False
        if group.spec.kind == "fcgi-program":
            return True  # the group is the program: an earlier one may have had more processes
        return any(spec.name == name and spec.program == process.program for spec in group.spec.processes)

    def try_again(self, id_: ProcessId) -> None:
        """Start a process that waits for its next try."""
        member = self._overseer.member(id_)
        if member is not None and member.process.state is ProcessState.BACKOFF:
            self._tell(id_, i.TimerFired(member.process.epoch))
