"""What has to be remembered of each life, so that another daemon knows it again: taken when it begins."""

import os
from collections.abc import Mapping

from msgspec.structs import replace

from tmd.config.plan import fingerprint
from tmd.config.settings import ProcessSpec
from tmd.core.records import Life
from tmd.daemon.plumbing import is_heard
from tmd.daemon.surface import Channel
from tmd.posix.identity import Births
from tmd.wire.names import ProcessId


class LifeRecords:
    """One record for each process, of its last life."""

    def __init__(self) -> None:
        self._records: dict[ProcessId, Life] = {}
        self.births = Births()
        self._fingerprints: dict[ProcessId, tuple[ProcessSpec, str]] = {}

    def get(self, id_: ProcessId) -> Life | None:
        """Return what is remembered of the last life of a process, also when that is over."""
        return self._records.get(id_)

    def put(self, id_: ProcessId, life: Life) -> None:
        """Remember a life that began under an earlier daemon, or something more about one."""
        self._records[id_] = life

    def all(self) -> list[tuple[ProcessId, Life]]:
        """Return all of them."""
        return list(self._records.items())

    def intent(self, spec: ProcessSpec, token: str) -> Life:
        """Return what is to be remembered of a life that is about to begin."""
        known = self._fingerprints.get(spec.id)
        if known is None or known[0] is not spec:
            known = self._fingerprints[spec.id] = (spec, fingerprint(spec))
        return Life(
            token=token,
            uid=os.geteuid() if spec.uid is None else spec.uid,
            fingerprint=known[1],
            listens=is_heard(spec, "stdout"),
            tty=spec.tty,
            stopsignal=spec.stopsignal,
            stopwaitsecs=spec.stopwaitsecs,
            stopasgroup=spec.stopasgroup,
            killasgroup=spec.killasgroup,
        )

    def began(
        self,
        spec: ProcessSpec,
        token: str,
        pid: int,
        before: int,
        cgroup: str = "",
        *,
        stdin: int | None = None,
        outputs: Mapping[Channel, int] | None = None,
    ) -> None:
        """Remember a life that has just begun. `stdin`, `outputs`: our ends of its pipes.

        `before`: what `births` had for now before it; `cgroup`: the control group it is to be in.
        """
        pipes: dict[str, int] = {} if stdin is None else {"stdin": os.fstat(stdin).st_ino}
        for channel, fd in (outputs or {}).items():
            pipes[channel] = os.fstat(fd).st_ino
        life = self.intent(spec, token)
        ticks = self.births.ticks_of(pid, before)
        self._records[spec.id] = replace(life, pid=pid, ticks=ticks, pipes=pipes, cgroup=cgroup)

    def forget(self, id_: ProcessId) -> None:
        """A process was removed."""
        self._records.pop(id_, None)
        self._fingerprints.pop(id_, None)
