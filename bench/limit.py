"""The least a supervisor in plain CPython can be: what the column "limit" of the bench is made of.

It starts programs, reaps them, starts them again at once, moves their output into rotating files, answers Supervisor's
calls. It has no policy (a program that dies at once is started at once, for ever), checks nothing, remembers nothing,
logs nothing. Nobody should run it; it shows what is left to gain.

    python -I -S bench/limit.py CONFIG

CONFIG is JSON: {"socket": PATH, "log_max_bytes": N, "log_backups": N, "programs": [PROGRAM, ...]}, a program
{"name": NAME, "argv": [PATH, ...], "log": PATH or null, "autostart": true or false}.
"""

import fcntl
import json
import os
import re
import resource
import select
import signal
import socket
import sys
import time
from typing import Any

PIPE_BYTES = 256 << 10
BUFFER = memoryview(bytearray(64 << 10))  # longer writes take large pages, which a virtual machine often has to fetch
PATIENCE_S = 0.0005
"""how long output may wait at most: woken for every line, both sides would do little else"""
AT_ONCE = 16
"""so many pipes are read before somebody else has a turn"""

FIELDS = {
    "name": "string", "group": "string", "description": "string", "start": "int", "stop": "int", "now": "int",
    "state": "int", "statename": "string", "spawnerr": "string", "exitstatus": "int", "logfile": "string",
    "stdout_logfile": "string", "stderr_logfile": "string", "pid": "int",
}  # fmt: skip
MEMBER = "<member><name>%s</name><value><%s>%s</%s></value></member>"
STRUCT = "<value><struct>%s</struct></value>"
INFO = STRUCT % "".join(MEMBER % (name, kind, "%s", kind) for name, kind in FIELDS.items())
STATE = STRUCT % (MEMBER % ("statecode", "int", 1, "int") + MEMBER % ("statename", "string", "RUNNING", "string"))
FAULT = STRUCT % (MEMBER % ("faultCode", "int", "%d", "int") + MEMBER % ("faultString", "string", "%s", "string"))
TRUE = "<value><boolean>1</boolean></value>"


class Program:
    """One program; its pipe stays the same from life to life."""

    def __init__(self, config: dict[str, Any], given: dict[str, Any]) -> None:
        self.name, self.argv, self.path, self.wanted = given["name"], given["argv"], given["log"], given["autostart"]
        self.max_bytes, self.backups = config["log_max_bytes"], config["log_backups"]
        self.pid = self.began = self.ended = self.code = 0
        self.read_end = -1
        self.waiting: list[Link] = []
        self.actions: list[Any] = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
        if self.path is not None:
            self.read_end, write_end = os.pipe()
            os.set_blocking(self.read_end, False)
            try:
                fcntl.fcntl(self.read_end, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
            except PermissionError:
                pass  # more pages than a user may have in pipes: it stays small
            self.actions[1] = (os.POSIX_SPAWN_DUP2, write_end, 1)
            self.open()

    def open(self) -> None:
        self.file = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o644)
        self.size = os.lseek(self.file, 0, os.SEEK_END)

    def spawn(self, by_pid: "dict[int, Program]") -> None:
        defaults = (signal.SIGPIPE, signal.SIGXFSZ)
        self.pid = os.posix_spawn(
            self.argv[0], self.argv, os.environ, file_actions=self.actions, setpgroup=0, setsigdef=defaults
        )
        by_pid[self.pid] = self
        self.began = int(time.time())

    def drain(self) -> int:
        """Move what is in the pipe, as far as it fits into the buffer, to the file; return how many bytes."""
        try:
            got = os.readv(self.read_end, (BUFFER,))
        except BlockingIOError:
            return 0
        os.write(self.file, BUFFER[:got])
        self.size += got
        if self.size >= self.max_bytes:
            self.rotate()
        return got

    def rotate(self) -> None:
        os.close(self.file)
        for number in range(self.backups - 1, 0, -1):
            if os.path.exists(f"{self.path}.{number}"):
                os.rename(f"{self.path}.{number}", f"{self.path}.{number + 1}")
        os.rename(self.path, f"{self.path}.1") if self.backups else os.unlink(self.path)
        self.open()

    def info(self, now: int) -> str:
        up, log = now - self.began, self.path
        said = f"pid {self.pid}, uptime {up // 3600}:{up // 60 % 60:02}:{up % 60:02}" if self.pid else "Not started"
        return INFO % (
            self.name, self.name, said, self.began, self.ended, now, 20 if self.pid else 0,
            "RUNNING" if self.pid else "STOPPED", "", self.code, log, log, "", self.pid,
        )  # fmt: skip


class Link:
    """One client; its calls are taken one after the other."""

    def __init__(self, loop: "Loop") -> None:
        self.socket, self.loop = loop.server.accept()[0], loop
        self.socket.setblocking(False)
        self.heard, self.unsaid, self.busy, self.left = b"", b"", False, 0
        loop.watch(self.socket.fileno(), self.act)

    def act(self, what: int) -> None:
        if what & select.EPOLLOUT:
            self.say()
        try:
            got = self.socket.recv(65536)
        except BlockingIOError:
            return
        except ConnectionResetError:
            got = b""
        self.heard += got
        if got:
            self.next()
        else:
            del self.loop.watched[self.socket.fileno()]
            self.socket.close()

    def next(self) -> None:
        head, found, rest = self.heard.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        if self.busy or not found or length is None or len(rest) < (size := int(length[1])):
            return
        body, self.heard, self.busy = rest[:size].decode(), rest[size:], True
        self.loop.call(self, body.partition("<methodName>")[2].partition("<")[0], re.findall("<string>([^<]*)", body))

    def answer(self, value: str, kind: str = "<params><param>%s</param></params>") -> None:
        body = f"<?xml version='1.0'?><methodResponse>{kind % value}</methodResponse>".encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\n\r\n"
        self.unsaid += head.encode() + body
        self.busy = False
        self.say()
        self.next()

    def say(self) -> None:
        try:
            self.unsaid = self.unsaid[self.socket.send(self.unsaid) :]
        except BlockingIOError:
            pass
        except OSError:
            return  # nobody is there any more
        self.loop.epoll.modify(self.socket.fileno(), select.EPOLLIN | select.EPOLLOUT * bool(self.unsaid))


class Loop:
    """Everything; one thread, asleep until something is to be done."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.epoll = select.epoll()
        self.watched: dict[int, Any] = {}
        self.programs = {given["name"]: Program(config, given) for given in config["programs"]}
        self.by_pid: dict[int, Program] = {}
        self.by_pipe = {each.read_end: each for each in self.programs.values() if each.path}
        for fd in self.by_pipe:
            self.epoll.register(fd, select.EPOLLIN)
        self.this_round: list[Program] = []
        self.next_round: list[Program] = []
        self.looked_at = self.look_at = 0.0
        self.most = 0
        self.ending = False
        self.ear, self.mouth = socket.socketpair()
        self.mouth.setblocking(False)
        signal.set_wakeup_fd(self.mouth.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self.end())
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(config["socket"])
        self.server.listen(128)
        self.watch(self.ear.fileno(), lambda _: self.reap())
        self.watch(self.server.fileno(), lambda _: Link(self))

    def watch(self, fd: int, act: Any) -> None:
        self.watched[fd] = act
        self.epoll.register(fd, select.EPOLLIN)

    def run(self) -> None:
        for program in self.programs.values():
            if program.wanted:
                program.spawn(self.by_pid)
        while not self.ending or self.by_pid:
            if self.this_round:  # poll() knows no times under 1 ms
                select.select((self.epoll,), (), (), max(self.look_at - time.monotonic(), 0.0))
            for fd, what in self.epoll.poll(0 if self.this_round else -1):
                if fd in self.by_pipe:
                    self.epoll.unregister(fd)
                    self.this_round.append(self.by_pipe[fd])
                elif act := self.watched.get(fd):
                    act(what)
            if self.this_round and time.monotonic() >= self.look_at:
                self.drain()
        for program in self.by_pipe.values():
            while program.drain():
                pass

    def drain(self) -> None:
        """Read some of the pipes that are not in the epoll; after all of them come again when the fastest is half full.

        There a pipe would have the kernel wake us for every write, which costs the writers more than all we do.
        """
        for program in self.this_round[:AT_ONCE]:
            if got := program.drain():
                self.next_round.append(program)
                self.most = max(self.most, got)
            else:
                self.epoll.register(program.read_end, select.EPOLLIN)
        del self.this_round[:AT_ONCE]
        if self.this_round:
            return
        now = time.monotonic()
        pause_s = (now - self.looked_at) * PIPE_BYTES / 2 / self.most if 0 < self.most < len(BUFFER) else 0.0
        self.look_at = now + min(pause_s, PATIENCE_S)
        self.looked_at, self.most = now, 0
        self.this_round, self.next_round = self.next_round, []

    def reap(self) -> None:
        self.ear.recv(65536)
        while self.by_pid:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            program = self.by_pid.pop(pid, None)
            if program is None:
                continue  # an orphan, when it is the first process of a container
            program.pid = 0
            if program.wanted:
                program.spawn(self.by_pid)
            program.code, program.ended = os.waitstatus_to_exitcode(status), int(time.time())
            waiting, program.waiting = program.waiting, []
            for link in waiting:
                link.left -= 1
                if not link.left:
                    link.answer(TRUE)

    def stop(self, program: Program) -> None:
        program.wanted = False
        os.kill(program.pid, signal.SIGTERM)

    def end(self) -> None:
        self.ending = True
        for program in self.by_pid.values():
            self.stop(program)

    def call(self, link: Link, method: str, words: list[str]) -> None:
        what, name = method.partition(".")[2], words[0].rpartition(":")[2] if words else ""
        one = what.endswith(("Process", "getProcessInfo"))
        programs = [self.programs[name]] if one and name in self.programs else list(self.programs.values())
        if one and name not in self.programs:
            link.answer(FAULT % (10, "BAD_NAME"), "<fault>%s</fault>")
        elif what == "getState":
            link.answer(STATE)
        elif what == "getProcessInfo":
            link.answer(programs[0].info(int(time.time())))
        elif what == "getAllProcessInfo":
            now = int(time.time())
            values = "".join([each.info(now) for each in programs])
            link.answer(f"<value><array><data>{values}</data></array></value>")
        elif what in ("startProcess", "startAllProcesses"):
            for each in programs:
                each.wanted = True
                if not each.pid:
                    each.spawn(self.by_pid)
            link.answer(TRUE)
        elif what in ("stopProcess", "stopAllProcesses"):
            alive = [each for each in programs if each.pid]
            link.left = len(alive)
            for each in alive:
                self.stop(each)
                each.waiting.append(link)
            if not alive:
                link.answer(TRUE)
        elif what == "shutdown":
            link.answer(TRUE)
            self.end()
        else:
            link.answer(FAULT % (1, "UNKNOWN_METHOD"), "<fault>%s</fault>")


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        config = json.load(file)
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    Loop(config).run()
    os.unlink(config["socket"])


if __name__ == "__main__":
    main()
