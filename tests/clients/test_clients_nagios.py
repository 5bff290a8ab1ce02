"""nagios-check-supervisord, unmodified: one line and an exit code for Nagios, over the socket and over TCP."""

import subprocess
import sys
from collections.abc import Sequence

from tests.clients.free import free_port
from tests.clients.naming import SCRIPTS
from tests.e2e.harness import Rig

PROGRAMS = (
    "[program:web]\ncommand=sleep 100000\nstartsecs=0\n"
    "[program:off]\ncommand=sleep 100000\nautostart=false\n"
    "[program:broken]\ncommand={dir}/nowhere\nstartretries=0\n"
)


def check(*words: str) -> tuple[str, int]:
    """Run the check; return what it said and its exit code."""
    command: Sequence[str] = [sys.executable, str(SCRIPTS / "check_supervisord.py"), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert not done.stderr
    return done.stdout, done.returncode


def test_the_check_tells_what_is_fine_and_what_is_not(rig: Rig) -> None:
    port = free_port()
    server = f"[inet_http_server]\nport=127.0.0.1:{port}\nusername=nagios\npassword=secret\n"
    rig.write(PROGRAMS, head=server)
    rig.start()
    rig.until("broken", "FATAL")
    rig.until("web", "RUNNING")
    socket = str(rig.socket)

    text, code = check("-s", socket, "-P", "web,off,broken")
    assert code == 2
    assert text.startswith("CRITICAL: problem with 'broken': (")
    assert text.endswith("), 'web': OK, 'off': OK\n")
    rig.ctl("remove", "broken")
    assert check("-s", socket) == ("OK: 'off': OK, 'web': OK\n", 0)
    assert check("-s", socket, "--stopped-state-exit-code", "warning")[1] == 1
    assert "'nobody' not found in server response" in check("-s", socket, "-P", "nobody")[0]

    over_tcp = ("-s", "127.0.0.1", "-p", str(port))
    assert check(*over_tcp, "-u", "nagios", "-S", "secret") == ("OK: 'off': OK, 'web': OK\n", 0)
    text, code = check(*over_tcp, "-u", "nagios", "-S", "wrong")
    assert code == 3
    assert "401 Unauthorized" in text
    rig.stop()
