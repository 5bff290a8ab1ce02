"""Plug-ins for this client in the style of those that exist for Supervisor's: wildcards, quick starts, a cache."""

import sys
import threading
import xmlrpc.client
from fnmatch import fnmatch
from typing import Any


class Wildcards:
    """Acts on all processes that match a pattern, each in a thread of its own."""

    def __init__(self, controller: Any, **config: str) -> None:
        self.ctl = controller
        self.config = config
        self.supervisor = controller.get_server_proxy("supervisor")

    def _names(self, patterns: str) -> list[str]:
        infos = self.supervisor.getAllProcessInfo()
        names = [f"{info['group']}:{info['name']}" for info in infos]
        return [name for name in names if any(fnmatch(name, f"*{pattern}") for pattern in patterns.split())]

    def do_mstop(self, arg: str) -> None:
        threads = [threading.Thread(target=self.ctl.onecmd, args=(f"stop {name}",)) for name in self._names(arg)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if not threads:
            self.ctl.output("No process matched given expression.")

    def help_mstop(self) -> None:
        self.ctl.output("mstop PATTERN...  stop all processes that match")

    def complete_mstop(self, text: str, line: str, begin: int, end: int) -> list[str]:
        assert line[begin:end] == text
        return [f"{name} " for name in ("api*", "web*") if name.startswith(text)]

    def do_quickstart(self, arg: str) -> None:
        """Start without waiting."""
        try:
            self.ctl.get_supervisor().startProcess(arg, False)
        except xmlrpc.client.Fault as fault:
            self.ctl.output(f"{arg}: ERROR ({fault.faultCode} {fault.faultString.split(':')[0]})")
            self.ctl.set_exitstatus_from_xmlrpc_fault(fault.faultCode, 60)
        else:
            self.ctl.output(f"{arg}: started")

    def do_both(self, arg: str) -> None:
        self.ctl.options.plugins[0].do_stop(arg)
        self.ctl.onecmd(f"start {arg}")

    def do_config(self, arg: str) -> None:
        options = self.ctl.options
        self.ctl.stdout.write(f"{self.name} {sorted(self.config.items())} [{arg}]\n")  # type: ignore[attr-defined]
        self.ctl.output(f"{options.serverurl} {options.username} {options.password} {options.prompt}")

    def do_pids(self, _: str) -> None:
        if self.ctl.upcheck():
            self.ctl.output(str(self.ctl.get_server_proxy().supervisor.getPID()).encode())

    def do_raising(self, arg: str) -> None:
        raise ValueError(f"no {arg}")

    def complete_raising(self, *_: object) -> list[str]:
        raise ValueError

    def do_failing(self, arg: str) -> None:
        self.ctl.handle_error(f"ERROR: {arg}", code=5)

    def do_leave(self, _: str) -> bool:
        return True

    def do_exit_with(self, arg: str) -> None:
        sys.exit(int(arg))

    def do_pause(self, arg: str) -> None:
        self.ctl.output(f"my own pause of {arg}")

    def do_status(self, arg: str) -> None:
        raise AssertionError("Supervisor's commands are never replaced")

    def do_unknown(self, _: str) -> None:
        self.ctl.get_server_proxy("twiddler").addProgram("x")

    def do_table(self, _: str) -> None:
        self.ctl.print_topics("things", ["a", "b"], 15, 80)


def make(controller: Any, **config: str) -> Wildcards:
    return Wildcards(controller, **config)


def make_nothing(controller: Any) -> Wildcards:
    raise RuntimeError("no cache today")
