"""A few threads for work that may block; results come back on the loop.

Threads are started when there is work and end with the daemon. They hold no state of it: what they run is a
closure over values, what they return is posted. Where the system gives no thread, the one that runs does all the work,
and with none at all work is refused: the next work asks anew.
"""

import queue
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from tmd.daemon.plugins import told
from tmd.daemon.surface import Operation
from tmd.wire.faults import Fault, RpcFault

T = TypeVar("T")
_Job = tuple[Callable[[], Any], Operation[Any]]

NO_THREAD = "cannot start a thread: the system has none left (a limit on processes or memory: ulimit -u, TasksMax)"


class Workers:
    """At most `count` threads; `post` hands a callback to the loop and may refuse after its end."""

    def __init__(self, post: Callable[[Callable[[], None]], None], count: int = 2) -> None:
        self._post = post
        self._count = count
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._busy = 0

    def run(self, work: Callable[[], T]) -> Operation[T]:
        """Run `work` on a thread; whatever it raises becomes the operation's fault, at once FAILED without a thread."""
        operation: Operation[T] = Operation()
        self._busy += 1
        operation.then(lambda _: self._free())
        if len(self._threads) < min(self._count, self._busy):
            self._start()
        if self._threads:
            self._jobs.put((work, operation))
        else:
            operation.refuse(RpcFault(Fault.FAILED, NO_THREAD))
        return operation

    @property
    def busy(self) -> bool:
        """Whether anything is being done."""
        return self._busy > 0

    def close(self, wait_s: float = 1.0) -> None:
        """Let the threads end once their present job is done; wait for each so long."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join(timeout=wait_s)

    def _start(self) -> None:
        """Have one thread more, if the system gives one."""
        thread = threading.Thread(target=self._work, name="tmd-worker", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return
        self._threads.append(thread)

    def _free(self) -> None:
        self._busy -= 1

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            work, operation = job
            try:
                settle = partial(operation.resolve, work())
            except RpcFault as fault:
                settle = partial(operation.refuse, fault)
            except OSError as why:
                settle = partial(operation.refuse, RpcFault(Fault.FAILED, str(why)))
            except BaseException as why:  # noqa: BLE001 - the border of a thread: whoever waits must get an answer,
                # and whoever comes next a thread: foreign work may even ask to exit
                settle = partial(operation.refuse, RpcFault(Fault.FAILED, told(why)))
            self._answer(settle)

    def _answer(self, callback: Callable[[], None]) -> None:
        try:
            self._post(callback)
        except RuntimeError:
            return  # the loop has ended: nobody is left to be told
