"""Changing the configuration under a running daemon: reread, update, add, remove, SIGHUP and `reload`."""

import os
import signal
import xmlrpc.client
from pathlib import Path

import pytest

from tests.e2e import world
from tests.e2e.harness import Rig, program

SLEEP = "command=sleep 100000\nstartsecs=0\n"


def section(name: str, more: str = "") -> str:
    return f"[program:{name}]\n{SLEEP}{more}\n"


def test_update_starts_what_is_new_stops_what_is_gone_and_leaves_the_rest(rig: Rig) -> None:
    rig.write(section("stays") + section("goes") + section("changes"))
    rig.start()
    rig.until_all("RUNNING")
    stays, changes = rig.pid("stays"), rig.pid("changes")
    rig.write(section("stays") + section("comes") + section("changes", "stopsignal=INT"))
    assert rig.ctl("reread").text == "changes: changed\ncomes: available\ngoes: disappeared\n"
    assert set(rig.states()) == {"stays:stays", "goes:goes", "changes:changes"}
    answer = rig.ctl("update")
    assert answer.code == 0
    assert {"goes: stopped", "goes: removed process group", "comes: added process group"} <= set(
        answer.text.splitlines()
    )
    rig.until_all("RUNNING")
    assert set(rig.states()) == {"stays:stays", "comes:comes", "changes:changes"}
    assert rig.pid("stays") == stays
    if rig.subject == "supervisord":
        assert rig.pid("changes") != changes
    assert rig.ctl("reread").text == "No config updates to processes\n"
    assert rig.ctl("update").text == ""
    rig.stop()


def test_update_of_named_groups_touches_no_other(rig: Rig) -> None:
    rig.write(section("a"))
    rig.start()
    rig.until_all("RUNNING")
    rig.write(section("b") + section("c"))
    assert rig.ctl("update", "c").text == "c: added process group\n"
    assert set(rig.states()) == {"a:a", "c:c"}
    answer = rig.ctl("update", "nobody", "b")
    assert answer.text == "ERROR: no such group: nobody\nb: added process group\n"
    assert answer.code == 1
    assert set(rig.states()) == {"a:a", "b:b", "c:c"}
    rig.stop()


@pytest.mark.ours
def test_a_warning_is_logged_when_it_is_new_by_the_same_path_every_time(rig: Rig) -> None:
    rig.write(section("a"), daemon="fooo=1")
    rig.conf.rename(rig.dir / "d.conf")
    rig.conf = Path("d.conf")  # as somebody says who stands beside it
    rig.start()
    rig.conf = rig.dir / "d.conf"
    rig.until_all("RUNNING")
    warnings = r"unknown option, ignored"
    assert [line.text for line in rig.lines(warnings)] == [f"{rig.conf}:9:1: supervisord.fooo: unknown option, ignored"]
    for words in (["reread"], ["update"], ["update"]):
        assert rig.ctl(*words).code == 0
    with rig.conf.open("a") as file:
        file.write("barr=2\n")
    assert rig.ctl("reread").code == rig.ctl("update").code == 0
    assert rig.ctl("reload").code == 0
    rig.until_line("supervisord started with pid", 2)
    rig.wait_ready()
    rig.until_all("RUNNING")
    rig.rpc.supervisor.reloadConfig()
    rig.until_line("configuration read from", 5)
    found = [line.text.partition(": ")[2] for line in rig.lines(warnings)]
    assert found == ["supervisord.fooo: unknown option, ignored", "program:a.barr: unknown option, ignored"]
    rig.stop()


def test_add_and_remove_act_on_single_groups(rig: Rig) -> None:
    rig.write(section("a"))
    rig.start()
    rig.until_all("RUNNING")
    rig.write(section("a") + section("b"))
    assert rig.ctl("add", "b").text == "ERROR: no such process/group: b\n"
    rig.ctl("reread")
    assert rig.ctl("add", "b").text == "b: added process group\n"
    rig.until("b", "RUNNING")
    assert rig.ctl("add", "b").text == "ERROR: process group already active\n"
    assert rig.ctl("remove", "b").text == "ERROR: process/group still running: b\n"
    rig.ctl("stop", "b")
    assert rig.ctl("remove", "b").text == "b: removed process group\n"
    assert rig.ctl("remove", "b").text == "ERROR: no such process/group: b\n"
    assert set(rig.states()) == {"a:a"}
    rig.stop()


@pytest.mark.ours
@pytest.mark.parametrize("by", ["update", "hup"])
def test_a_changed_numprocs_adds_or_removes_only_the_difference(rig: Rig, by: str) -> None:
    def write(count: int) -> None:
        rig.write_native(f"  web:\n    command: sleep 100000\n    starttime: 0\n    numprocs: {count}\n")

    def apply() -> None:
        if by == "update":
            assert rig.ctl("update").code == 0
        else:
            os.kill(rig.daemon_pid, signal.SIGHUP)

    write(2)
    rig.start()
    rig.until_all("RUNNING")
    first = {name: rig.pid(name) for name in ("web:web_00", "web:web_01")}
    write(4)
    apply()
    rig.wait(lambda: len(rig.states()) == 4, what="four processes")
    rig.until_all("RUNNING")
    assert {name: rig.pid(name) for name in first} == first
    write(3)
    apply()
    rig.wait(lambda: len(rig.states()) == 3, what="three processes")
    assert sorted(rig.states()) == ["web:web_00", "web:web_01", "web:web_02"]
    assert {name: rig.pid(name) for name in first} == first
    rig.wait(lambda: len(world.children(rig.daemon_pid)) == 3, what="three children")
    rig.stop()


@pytest.mark.ours
def test_from_many_to_one_and_back_keeps_the_first_where_its_name_stays(rig: Rig) -> None:
    def write(count: int) -> None:
        rig.write(section("web", f"numprocs={count}\nprocess_name=web%(process_num)d"))

    write(4)
    rig.start()
    rig.until_all("RUNNING")
    first = rig.pid("web:web0")
    for count in (1, 3):
        write(count)
        assert rig.ctl("update").code == 0
        rig.wait(lambda count=count: len(rig.states()) == count, what=f"{count} processes")  # type: ignore[misc]
        rig.until_all("RUNNING")
        assert rig.pid("web:web0") == first
    rig.stop()


@pytest.mark.ours
def test_what_was_stopped_by_hand_stays_stopped(rig: Rig) -> None:
    rig.write_native("  web:\n    command: sleep 100000\n    starttime: 0\n")
    rig.start()
    rig.until("web", "RUNNING")
    rig.ctl("stop", "web")
    rig.write_native(
        "  web:\n    command: sleep 100000\n    starttime: 0\n    stopsignal: INT\n"
        "  new:\n    command: sleep 100000\n    starttime: 0\n"
    )
    os.kill(rig.daemon_pid, signal.SIGHUP)
    rig.wait(lambda: "new:new" in rig.states(), what="the new one")
    rig.until("new", "RUNNING")
    assert rig.state("web") == "STOPPED"
    assert not rig.until_line("received SIGHUP.*")[0].text.endswith("(shutdown in progress)")
    rig.stop()


LIVE = {
    "autorestart": ("false", "true"),
    "stopwaitsecs": ("5", "1"),
    "exitcodes": ("0", "0,7"),
    "startretries": ("3", "9"),
    "stopsignal": ("TERM", "INT"),
    "priority": ("10", "20"),
}


@pytest.mark.ours
@pytest.mark.parametrize("option", LIVE)
def test_a_live_option_applies_without_a_restart(rig: Rig, option: str) -> None:
    before, after = LIVE[option]
    rig.write(section("web", f"{option}={before}"))
    rig.start()
    pid = int(rig.until("web", "RUNNING")["pid"])
    rig.write(section("web", f"{option}={after}"))
    assert rig.ctl("update").code == 0
    assert rig.pid("web") == pid
    if option == "stopsignal":
        rig.ctl("stop", "web")
        assert rig.until_line(r"stopped: web \(terminated by SIGINT\)")
    if option == "autorestart":
        world.kill(pid)
        rig.until_new_pid("web", pid)
    rig.stop()


@pytest.mark.ours
def test_a_stopwaitsecs_made_shorter_counts_for_the_next_stop(rig: Rig) -> None:
    text = f"[program:web]\ncommand={program('stubborn.py')}\nstartsecs=0\nstdout_logfile={{dir}}/out\n"
    rig.write(text + "stopwaitsecs=60\n")
    rig.start()
    rig.until_text("out", "ready")
    pid = rig.pid("web")
    rig.write(text + "stopwaitsecs=0\n")
    rig.ctl("update")
    assert rig.pid("web") == pid
    assert rig.ctl("stop", "web", deadline_s=10).text == "web: stopped\n"
    rig.stop()


def test_another_command_means_another_process(rig: Rig) -> None:
    rig.write("[program:web]\ncommand=sleep 100000\nstartsecs=0\n")
    rig.start()
    pid = int(rig.until("web", "RUNNING")["pid"])
    rig.write("[program:web]\ncommand=sleep 200000\nstartsecs=0\n")
    assert rig.ctl("update").text == "web: stopped\nweb: updated process group\n"
    new = int(rig.until("web", "RUNNING")["pid"])
    assert new != pid
    assert world.command(new) == "sleep 200000"
    rig.stop()


BROKEN = {
    "a bad value": "[program:web]\ncommand=sleep 1\nstartsecs=soon\n",
    "no command": "[program:web]\nstartsecs=1\n",
    "no configuration": "\0\1\2 rubbish",
    "no such user": "[program:web]\ncommand=sleep 1\nuser=no-such-user\n",
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_file_changes_nothing_and_says_why(rig: Rig, what: str) -> None:
    rig.write(section("web"))
    rig.start()
    pid = int(rig.until("web", "RUNNING")["pid"])
    if what == "no configuration":
        rig.conf.write_text(BROKEN[what])
    else:
        rig.write(BROKEN[what])
    with pytest.raises(xmlrpc.client.Fault, match="CANT_REREAD") as refused:
        rig.rpc.supervisor.reloadConfig()
    assert refused.value.faultCode == 92
    assert len(refused.value.faultString) > len("CANT_REREAD: ") + 10
    if what != "no configuration":  # the client reads this file too
        answer = rig.ctl("reread")
        assert answer.text.startswith("ERROR: CANT_REREAD: ")
        assert answer.code == 1
        assert rig.ctl("update").code == 1
    assert (rig.pid("web"), rig.state("web")) == (pid, "RUNNING")
    rig.write(section("web"))
    assert rig.rpc.supervisor.reloadConfig() == [[[], [], []]]
    rig.stop()


@pytest.mark.ours
def test_sighup_with_a_broken_file_changes_nothing_and_says_why(rig: Rig) -> None:
    rig.write_native("  web:\n    command: sleep 100000\n    starttime: 0\n")
    rig.start()
    pid = int(rig.until("web", "RUNNING")["pid"])
    rig.write_native("  web:\n    command: sleep 100000\n    starttime: soon\n    comand: x\n")
    os.kill(rig.daemon_pid, signal.SIGHUP)
    rig.until_line("tm.yaml:[0-9]+.*starttime.*soon|tm.yaml:[0-9]+.*startsecs.*soon")
    rig.until_line("tm.yaml:[0-9]+.*comand")
    assert rig.pid("web") == pid
    rig.stop()


@pytest.mark.ours
def test_a_restart_by_sighup_with_a_broken_file_does_not_take_everything_down(rig: Rig) -> None:
    rig.write(section("web"))
    rig.start()
    pid = int(rig.until("web", "RUNNING")["pid"])
    rig.write(section("web", "startsecs=soon"))
    os.kill(rig.daemon_pid, signal.SIGHUP)
    rig.until_line("received SIGHUP indicating restart request")
    rig.until_line("soon")
    assert rig.pid("web") == pid
    with pytest.raises(xmlrpc.client.Fault, match="CANT_REREAD"):
        rig.rpc.supervisor.restart()
    assert rig.pid("web") == pid
    rig.stop()


@pytest.mark.parametrize("by", ["hup", "reload"])
def test_in_supervisors_dialect_a_restart_stops_all_and_starts_all_in_the_same_process(rig: Rig, by: str) -> None:
    rig.write(section("web"))
    rig.start()
    pid = int(rig.until("web", "RUNNING")["pid"])
    rig.write(section("web") + section("new"))
    if by == "hup":
        os.kill(rig.daemon_pid, signal.SIGHUP)
        assert rig.until_line("received SIGHUP indicating restart request")[0].level == "WARN"
    else:
        assert rig.ctl("reload").text == "Restarted supervisord\n"
    rig.until_line("supervisord started with pid", count=2)
    rig.wait_ready()
    rig.until("new", "RUNNING")
    assert rig.until("web", "RUNNING")["pid"] != pid
    assert rig.rpc.supervisor.getPID() == rig.daemon_pid
    rig.stop()


@pytest.mark.ours
def test_in_the_native_dialect_reload_touches_only_what_changed(rig: Rig) -> None:
    rig.write_native("  web:\n    command: sleep 100000\n    starttime: 0\n")
    rig.start()
    pid = int(rig.until("web", "RUNNING")["pid"])
    rig.write_native(
        "  web:\n    command: sleep 100000\n    starttime: 0\n  new:\n    command: sleep 100000\n    starttime: 0\n"
    )
    assert rig.ctl("reload").code == 0
    rig.until("new", "RUNNING")
    assert rig.pid("web") == pid
    rig.stop()


@pytest.mark.ours
def test_reread_of_another_file_is_from_then_on_the_file(rig: Rig) -> None:
    rig.write(section("web"))
    rig.start()
    pid = int(rig.until("web", "RUNNING")["pid"])
    other = rig.dir / "other.conf"
    first = rig.conf
    rig.conf = other
    rig.write(section("web") + section("more"))
    rig.conf = first
    answer = rig.ctl("reread", "--config", str(other))
    assert (answer.text, answer.code) == ("more: available\n", 0)
    assert rig.ctl("update").text == "more: added process group\n"
    assert rig.ctl("reread").text == "No config updates to processes\n"
    assert rig.pid("web") == pid
    rig.stop()


def test_a_program_moves_into_a_group(rig: Rig) -> None:
    rig.write(section("a") + section("b"))
    rig.start()
    rig.until_all("RUNNING")
    rig.write(section("a") + section("b") + "[group:both]\nprograms=a,b\n")
    assert rig.ctl("update").code == 0
    rig.until_all("RUNNING")
    assert sorted(rig.states()) == ["both:a", "both:b"]
    rig.wait(lambda: len(world.children(rig.daemon_pid)) == 2, what="two children")
    rig.stop()


@pytest.mark.ours
def test_reload_goes_on_while_others_crash_and_spam(rig: Rig) -> None:
    noise = (
        "[program:loop]\ncommand=/bin/sh -c 'exit 1'\nstartsecs=0\nautorestart=true\n"
        f"[program:spam]\ncommand={program('spam.py')} --seconds 60\nstartsecs=0\nstdout_logfile={{dir}}/out\n"
        "stdout_logfile_maxbytes=1MB\nstdout_logfile_backups=2\n"
        "[program:tries]\ncommand=/bin/sh -c 'exit 1'\nstartretries=9\n"
    )
    rig.write(noise + section("calm"))
    rig.start()
    calm, spam = int(rig.until("calm", "RUNNING")["pid"]), int(rig.until("spam", "RUNNING")["pid"])
    for turn in range(6):
        rig.write(noise + section("calm") + section(f"new{turn}"))
        assert rig.ctl("update").code == 0
        rig.until(f"new{turn}", "RUNNING")
        assert len(rig.states()) == 5
    assert (rig.pid("calm"), rig.pid("spam")) == (calm, spam)
    rig.until_line("spawned: 'loop'", count=10)
    rig.stop()


def test_include_files_are_read_again(rig: Rig) -> None:
    (rig.dir / "conf.d").mkdir()
    (rig.dir / "conf.d" / "a.ini").write_text(section("a"))
    rig.write("", head="[include]\nfiles = conf.d/*.ini\n")
    rig.start()
    a = int(rig.until("a", "RUNNING")["pid"])
    (rig.dir / "conf.d" / "b.ini").write_text(section("b"))
    assert rig.ctl("update").text == "b: added process group\n"
    rig.until("b", "RUNNING")
    assert rig.pid("a") == a
    rig.stop()
