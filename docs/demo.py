"""`make demo`: a scripted tour of tmd and tmctl on the programs of etc/taskmaster.ini.

Runs in a directory of its own, under directories handed over as a service manager would (RUNTIME_DIRECTORY,
LOGS_DIRECTORY), so that a daemon of this machine is neither seen nor touched. Exits 0 when every step did what it says.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BOLD, DIM, END = ("\033[1m", "\033[2m", "\033[0m") if sys.stdout.isatty() else ("", "", "")


class Tour:
    """The stage: a copy of `etc/`, a daemon, and a client that talks to it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.config = home / "etc" / "taskmaster.ini"
        places = {"RUNTIME_DIRECTORY": "run", "LOGS_DIRECTORY": "log", "STATE_DIRECTORY": "state"}
        self.environ = {**os.environ, **{name: str(home / place) for name, place in places.items()}}
        shutil.copytree(ROOT / "etc", home / "etc")

    def say(self, text: str) -> None:
        """Tell the audience what comes."""
        print(f"\n{BOLD}# {text}{END}", flush=True)

    def run(self, *words: str, codes: tuple[int, ...] = (0,)) -> str:
        """Run a command of ours, show it and what it prints; stop the tour when it fails."""
        print(f"{DIM}$ {' '.join(words)}{END}".replace(str(self.home), "."), flush=True)
        done = subprocess.run(
            [sys.executable, "-m", *words], env=self.environ, cwd=self.home, capture_output=True, text=True, check=False
        )
        print((done.stdout + done.stderr).replace(str(self.home), "."), end="", flush=True)
        if done.returncode not in codes:
            raise SystemExit(f"demo: {' '.join(words)} exited with {done.returncode}")
        return done.stdout

    def quiet(self, *words: str) -> str:
        """Run a command without showing it."""
        return subprocess.run(
            [sys.executable, "-m", *words], env=self.environ, cwd=self.home, capture_output=True, text=True, check=False
        ).stdout

    def until(self, what: str, probe: Callable[[], bool], deadline_s: float = 8.0) -> float:
        """Wait until `probe` holds; returns how long that took."""
        start = time.monotonic()
        while not probe():
            if time.monotonic() - start > deadline_s:
                raise SystemExit(f"demo: {what}: not within {deadline_s:.0f} s")
            time.sleep(0.02)
        return time.monotonic() - start


def pid_of(tour: Tour, name: str) -> int:
    """Return the pid of a program, 0 when there is none."""
    text = tour.quiet("tmctl", "pid", name).strip()
    return int(text) if text.isdigit() else 0


def show(tour: Tour) -> None:
    """Play the tour."""
    tour.say("Check the configuration, then start the daemon with it")
    tour.run("tmd", "--check-config", str(tour.config))
    tour.run("tmd", "-c", str(tour.config))
    tour.until("programs up", lambda: "STARTING" not in tour.quiet("tmctl", "status"))
    tour.run("tmctl", "status", codes=(0, 3))
    tour.run("tmctl", "summary", codes=(0, 3))

    tour.say("Kill a program with SIGKILL: it is back, with another pid")
    before = pid_of(tour, "web")
    print(f"{DIM}$ kill -9 {before}{END}")
    os.kill(before, 9)
    tour.until("web back", lambda: pid_of(tour, "web") not in (0, before))
    tour.until("web RUNNING", lambda: "RUNNING" in tour.quiet("tmctl", "status", "web"))
    tour.run("tmctl", "status", "web")

    tour.say("Change the configuration (workers: 3 to 5) and apply it: the others keep their pids")
    others = pid_of(tour, "web")
    text = tour.config.read_text()
    changed = text.replace("numprocs = 3", "numprocs = 5")
    if changed == text:
        raise SystemExit("demo: etc/taskmaster.ini has no `numprocs = 3` to change")
    tour.config.write_text(changed)
    tour.run("tmctl", "reread")
    tour.run("tmctl", "update")
    tour.until("five workers", lambda: tour.quiet("tmctl", "status", "background:*").count("RUNNING") == 6)
    tour.run("tmctl", "status", codes=(0, 3))
    if pid_of(tour, "web") != others:
        raise SystemExit("demo: web was restarted although nothing of it changed")

    tour.say("A broken configuration changes nothing, and says where and why")
    tour.config.write_text(changed.replace("numprocs = 5", "numproc = 5"))
    tour.run("tmctl", "reread", codes=(1,))
    tour.config.write_text(changed)

    tour.say("What did it say?")
    tour.until("ticker speaks", lambda: bool(tour.quiet("tmctl", "tail", "background:ticker").strip()))
    tour.run("tmctl", "tail", "-300", "background:ticker")

    tour.say("Suspend and resume a program")
    tour.run("tmctl", "pause", "background:ticker")
    tour.run("tmctl", "status", "background:ticker")
    tour.run("tmctl", "resume", "background:ticker")

    tour.say("Stop everything and end the daemon")
    tour.run("tmctl", "shutdown")
    tour.until("the daemon is gone", lambda: not (tour.home / "run" / "tmd.pid").exists())
    print((tour.home / "log" / "tmd.log").read_text().replace(str(tour.home), "."), end="")


def main() -> int:
    """Play it and clean up whatever happens."""
    home = Path(tempfile.mkdtemp(prefix="tmd-demo-"))
    tour = Tour(home)
    try:
        show(tour)
        print(f"\n{BOLD}# That was it. Nothing is left running.{END}")
        return 0
    finally:
        pidfile = home / "run" / "tmd.pid"
        if pidfile.exists():
            os.kill(int(pidfile.read_text()), 15)
            tour.until("the daemon ends", lambda: not pidfile.exists(), 15.0)
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
