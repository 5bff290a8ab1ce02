"""superlance's listeners, unmodified, as [eventlistener:x]: they hear of what happens and act through the RPC."""

import sysconfig
from pathlib import Path

from tests.clients.serving import Mailbox, Site, serving
from tests.e2e.harness import PYTHON, Rig

SCRIPTS = sysconfig.get_path("scripts")
GROWER = Path(__file__).with_name("grower.py")
WORKING = "[program:web]\ncommand=sleep 100000\nstartsecs=0\n"
DEADLINE_S = 40.0
"""TICK_5 comes within 5 s, the listeners need a second to start, and the machine may be busy"""


def listener(command: str, events: str) -> str:
    """Return the section of a listener of superlance."""
    name = command.split(maxsplit=1)[0]
    return f"[eventlistener:{name}]\ncommand={SCRIPTS}/{command}\nevents={events}\nstderr_logfile={{dir}}/{name}.err\n"


def test_crashmail_mails_an_unexpected_exit_and_only_that(rig: Rig) -> None:
    rig.write(
        "[program:fine]\ncommand=/bin/sh -c 'exit 0'\nstartsecs=0\nautorestart=false\nautostart=false\n"
        "[program:broken]\ncommand=/bin/sh -c 'exit 3'\nstartsecs=0\nautorestart=false\nautostart=false\n"
        + listener('crashmail -a -o lab -m ops@example.com -s "cat >>{dir}/mail"', "PROCESS_STATE")
    )
    rig.start()
    rig.until("crashmail", "RUNNING")
    rig.rpc.supervisor.startProcess("fine")
    rig.until("fine", "EXITED")
    rig.rpc.supervisor.startProcess("broken")
    rig.until_text("mail", "exited unexpectedly", DEADLINE_S)
    rig.until_text("crashmail.err", "Mailed", DEADLINE_S)
    letter = rig.text("mail")
    assert letter.startswith("To: ops@example.com\nSubject: lab: broken crashed at ")
    assert "\n\nProcess broken in group broken exited unexpectedly (pid " in letter
    assert letter.endswith(" from state RUNNING")
    assert letter.count("To:") == 1
    rig.stop()


def test_memmon_restarts_a_program_that_grew_too_big(rig: Rig) -> None:
    rig.write(
        f"[program:grower]\ncommand={PYTHON} {GROWER} 80\nstartsecs=0\n"
        + WORKING
        + listener('memmon -p grower=60MB -p web=60MB -m ops@example.com -s "cat >>{dir}/mail"', "TICK_5")
    )
    rig.start()
    web, grower = rig.until("web", "RUNNING")["pid"], rig.until("grower", "RUNNING")["pid"]
    rig.until_new_pid("grower", grower, DEADLINE_S)
    letter = rig.until_text("mail", "bytes RSS)", DEADLINE_S)
    assert "To: ops@example.com\n" in letter
    assert "memmon.py restarted the process named grower:grower at " in letter
    assert rig.pid("web") == web
    rig.stop()


def test_httpok_restarts_the_program_behind_a_failing_page(rig: Rig) -> None:
    site = Site()
    with serving(site):
        url = f"http://127.0.0.1:{site.server_port}/"
        rig.write(WORKING + listener(f'httpok -p web -t 5 -m ops@example.com -s "cat >>{{dir}}/mail" {url}', "TICK_5"))
        rig.start()
        web = rig.until("web", "RUNNING")["pid"]
        site.status = 500
        rig.until_new_pid("web", web, DEADLINE_S)
        site.status = 200
        letter = rig.until_text("mail", "web restarted", DEADLINE_S)
        rig.stop()
    assert f"Subject: httpok: {url}: bad status returned\n" in letter
    assert "web is in RUNNING state, restarting" in letter


def test_fatalmailbatch_mails_what_went_fatal(rig: Rig) -> None:
    mailbox = Mailbox()
    with serving(mailbox):
        options = "-t ops@example.com -f tmd@example.com -i 0.05 -e TICK_5"
        rig.write(
            "[program:broken]\ncommand=/bin/sh -c 'exit 3'\nstartretries=0\nautostart=false\n"
            + listener(f"fatalmailbatch {options} -H 127.0.0.1:{mailbox.server_address[1]}", "PROCESS_STATE,TICK_5")
        )
        rig.start()
        rig.until("fatalmailbatch", "RUNNING")
        rig.rpc.supervisor.startProcess("broken", False)
        rig.until("broken", "FATAL")
        (letter,) = rig.wait(lambda: list(mailbox.letters), DEADLINE_S, "a letter")
        rig.stop()
    assert "Subject: Fatal start alert from supervisord" in letter
    assert "Process broken:broken failed to start too many times" in letter
