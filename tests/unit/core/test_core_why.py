"""What a tired person reads: an end and a situation, and the sentences about them."""

from typing import Any, NamedTuple

import pytest

from tmd.config.settings import Autorestart
from tmd.core.ends import End, Rules
from tmd.core.inputs import LeftBehind
from tmd.core.why import MEANINGS, Situation, ago, duration, explain, in_short, last_lines
from tmd.wire.names import ProcessId
from tmd.wire.states import ProcessState as S

NOW = 100_000.0
WEB = ProcessId("web", "web")
START = "Nothing happens until somebody starts it: tmctl start web"
HEARSAY = "the kernel killed a process for that reason meanwhile, its log is not readable here"


def clock(at: float) -> str:
    return f"@{at:g}"


def now(state: S, **facts: Any) -> Situation:
    runs = state in (S.RUNNING, S.STOPPING)
    present = {"pid": 42, "started_at": NOW - 90} if runs else {}
    return Situation(id=WEB, state=state, now=NOW, **{**present, **facts})


def end(how: Any = "exited", ago_s: float = 120, **facts: Any) -> End:
    rules = Rules(**facts.pop("rules", {}))
    return End(how=how, at=NOW - ago_s, rules=rules, **{"uptime_s": 18_720.0, "pid": 7, **facts})


class Playbook(NamedTuple):
    title: str
    situation: Situation
    ends: list[End]
    said: list[str]


PLAYBOOKS = [
    Playbook(
        "an exit code that was not expected, and no restart",
        now(S.EXITED),
        [end(code=3, rules={"autorestart": Autorestart.NEVER})],
        [
            "web ended 2 minutes ago (@99880) after 5 h 12 min: exit code 3.",
            "Exit code 3 is not in exitcodes (0), so this end was unexpected.",
            "It was not restarted, because autorestart is never (false).",
            START,
        ],
    ),
    Playbook(
        "an exit code that was expected",
        now(S.EXITED),
        [end(code=2, expected=True, rules={"exitcodes": (0, 2)})],
        [
            "web ended 2 minutes ago (@99880) after 5 h 12 min: exit code 2.",
            "Exit code 2 is in exitcodes (0, 2), so this end was expected.",
            "It was not restarted, because autorestart is unexpected and this end was expected.",
            START,
        ],
    ),
    Playbook(
        "restarted although expected",
        now(S.RUNNING),
        [end(code=0, expected=True, then="restart", rules={"autorestart": Autorestart.ALWAYS})],
        [
            "web runs since @99910 (pid 42, 1 min 30 s).",
            "Before that, it ended 2 minutes ago (@99880) after 5 h 12 min: exit code 0.",
            "Exit code 0 is in exitcodes (0), so this end was expected.",
            "It was restarted at once, because autorestart is always (true).",
        ],
    ),
    Playbook(
        "a crash, with a restart",
        now(S.RUNNING),
        [end(signal=11, core=True, then="restart", more=3, since=5)],
        [
            "web runs since @99910 (pid 42, 1 min 30 s).",
            "Before that, it died 2 minutes ago (@99880) after 5 h 12 min: killed by signal 11 (SIGSEGV, segmentation "
            "fault: it used memory that is not its own), core dumped.",
            "A death by signal is never expected.",
            "It was restarted at once, because autorestart is unexpected and so was this end.",
            "Before it there were 3 more ends just like it, since @5.",
        ],
    ),
    Playbook(
        "while the daemon goes down nothing is restarted",
        now(S.EXITED),
        [end(code=1)],
        [
            "web ended 2 minutes ago (@99880) after 5 h 12 min: exit code 1.",
            "Exit code 1 is not in exitcodes (0), so this end was unexpected.",
            "It was not restarted, because it was to be stopped or tmd was going down.",
            START,
        ],
    ),
    Playbook(
        "SIGTERM from outside",
        now(S.EXITED),
        [end(signal=15, rules={"autorestart": Autorestart.NEVER})],
        [
            "web died 2 minutes ago (@99880) after 5 h 12 min: killed by signal 15 (SIGTERM: it was asked to end).",
            "SIGTERM came from outside: not from tmd.",
            "A death by signal is never expected.",
            "It was not restarted, because autorestart is never (false).",
            START,
        ],
    ),
    Playbook(
        "a signal that somebody had tmd send",
        now(S.RUNNING),
        [end(signal=9, relayed=True, then="restart")],
        [
            "web runs since @99910 (pid 42, 1 min 30 s).",
            "Before that, it died 2 minutes ago (@99880) after 5 h 12 min: killed by signal 9 (SIGKILL).",
            "tmd sent it SIGKILL because somebody asked for that (tmctl signal).",
            "A death by signal is never expected.",
            "It was restarted at once, because autorestart is unexpected and so was this end.",
        ],
    ),
    Playbook(
        "a stop that was ignored",
        now(S.STOPPED),
        [end("stopped", signal=9, ignored_s=10.0, cause="asked")],
        [
            "web was stopped 2 minutes ago (@99880) after 5 h 12 min: killed by signal 9 (SIGKILL).",
            "Why: somebody asked for it.",
            "It was killed with SIGKILL by tmd after it ignored SIGTERM for 10 s (stopwaitsecs).",
            START,
        ],
    ),
    Playbook(
        "a restart of the daemon",
        now(S.RUNNING, daemon_started_at=NOW - 100),
        [end("stopped", signal=15, cause="shutdown")],
        [
            "web runs since @99910 (pid 42, 1 min 30 s).",
            "Before that, it was stopped 2 minutes ago (@99880) after 5 h 12 min: killed by signal 15 (SIGTERM: it was "
            "asked to end).",
            "Why: tmd was going down or restarting.",
            "tmd itself was started at @99900, after that.",
        ],
    ),
    Playbook(
        "a daemon that was killed",
        now(S.STOPPED, daemon_started_at=NOW - 60),
        [end("lost", started_at=NOW - 500, boundary=NOW - 60)],
        [
            "web ran (pid 7, since @99500) when tmd itself was killed or broke down, between @99880 and @99940; what "
            "became of this life is not known.",
            START,
        ],
    ),
    Playbook(
        "a daemon that was killed, and a process that was not",
        now(S.RUNNING, daemon_started_at=NOW - 95),
        [end("lost", started_at=NOW - 500, boundary=NOW - 95, orphaned=True)],
        [
            "web runs since @99910 (pid 42, 1 min 30 s).",
            "Before that, it ran (pid 7, since @99500) when tmd itself was killed or broke down, between @99880 and "
            "@99905, and that process still ran when tmd was back: pid 7 may be a second one beside it.",
        ],
    ),
    Playbook(
        "an end that nobody saw",
        now(S.RUNNING, daemon_started_at=NOW - 95),
        [end(then="restart")],
        [
            "web runs since @99910 (pid 42, 1 min 30 s).",
            "Before that, it ended 2 minutes ago (@99880) after 5 h 12 min: how is not known.",
            "It ended while no tmd ran that could have seen how.",
            "An end that nobody saw counts as unexpected.",
            "It was restarted at once, because autorestart is unexpected and so was this end.",
            "tmd itself was started at @99905, after that.",
        ],
    ),
    Playbook(
        "a process that was taken back",
        now(S.RUNNING, daemon_started_at=NOW - 60),
        [],
        [
            "web runs since @99910 (pid 42, 1 min 30 s).",
            "It was taken back by the tmd that was started at @99940, as it ran.",
            "No end of it is known.",
        ],
    ),
    Playbook(
        "a stop with SIGKILL for a stop signal",
        now(S.STOPPED),
        [end("stopped", signal=9, cause="asked", rules={"stopsignal": 9})],
        [
            "web was stopped 2 minutes ago (@99880) after 5 h 12 min: killed by signal 9 (SIGKILL).",
            "Why: somebody asked for it.",
            START,
        ],
    ),
    Playbook(
        "a machine that went down",
        now(S.STOPPED, daemon_started_at=NOW - 60),
        [end("lost", started_at=NOW - 500, boundary=NOW - 60, rebooted=True)],
        [
            "web ran (pid 7, since @99500) when the machine went down, between @99880 and @99940; what became of this "
            "life is not known.",
            START,
        ],
    ),
    Playbook(
        "too soon, and tried again",
        now(S.BACKOFF),
        [end("too_soon", 0.5, code=1, uptime_s=0.2, tries=2, then="retry", retry_at=NOW + 1.5)],
        [
            "web ended just now (@99999.5) after only 0.2 s: exit code 1.",
            "It has to stay up for 1 s (startsecs) to count as started.",
            "Tried 2 times so far (startretries = 3).",
            "Next try in 1.5 s (attempt 3 of 4).",
        ],
    ),
    Playbook(
        "given up",
        now(S.FATAL),
        [end("too_soon", 3, signal=6, uptime_s=0.004, tries=4, then="fatal", rules={"startsecs": 2.5})],
        [
            "web died 3 seconds ago (@99997) after only 4 ms: killed by signal 6 (SIGABRT: it gave up on itself, as "
            "abort() and failed assertions do).",
            "It has to stay up for 2.5 s (startsecs) to count as started.",
            "Tried 4 times (startretries = 3), then given up: FATAL.",
            START,
        ],
    ),
    Playbook(
        "a missing binary, given up",
        now(S.FATAL),
        [end("not_started", 3, pid=0, reason="can't find command '/usr/bin/nope'", tries=1, then="fatal", more=1,
             since=7, rules={"startretries": 0})],
        [
            "web could not be started at all 3 seconds ago (@99997): there is no file '/usr/bin/nope' (ENOENT).",
            "Tried once (startretries = 0), then given up: FATAL.",
            "Before it there was one more failed start just like it, since @7.",
            START,
        ],
    ),
    Playbook(
        "the system lacks something",
        now(S.BACKOFF),
        [end("not_started", 1, pid=0, reason="too many open files to spawn 'web'", then="retry", retry_at=NOW)],
        [
            "web could not be started at all 1 second ago (@99999): too many open files to spawn 'web'.",
            "The system is to blame, so this does not count as a failed try.",
            "Next try at once.",
        ],
    ),
    Playbook(
        "tries that somebody stopped",
        now(S.STOPPED),
        [end("not_started", 60, pid=0, reason="can't find command 'nope'", tries=2, then="stopped", cause="asked")],
        [
            "web could not be started at all 1 minute ago (@99940): there is no command 'nope' in PATH.",
            "Tried 2 times (startretries = 3); then somebody asked for a stop, and it was tried no more.",
            START,
        ],
    ),
    Playbook(
        "tries that ended with the daemon",
        now(S.FATAL),
        [end("not_started", 60, pid=0, reason="couldn't exec web: EACCES", tries=1, then="quiesced")],
        [
            "web could not be started at all 1 minute ago (@99940): it cannot be executed: web: EACCES.",
            "Tried once (startretries = 3); then tmd went down, and it was tried no more.",
            START,
        ],
    ),
    Playbook(
        "a good life",
        now(S.RUNNING),
        [],
        ["web runs since @99910 (pid 42, 1 min 30 s).", "No end of it is known."],
    ),
    Playbook(
        "never started",
        now(S.STOPPED, autostart=False, daemon_started_at=9.0),
        [],
        ["web was never started since tmd was started at @9, because autostart is off.", START],
    ),
    Playbook(
        "on its way up",
        now(S.STARTING, pid=9, started_at=NOW - 0.5, startsecs=5),
        [],
        ["web is starting (pid 9, 0.5 s): it counts as up after 5 s (startsecs).", "No end of it is known."],
    ),
    Playbook(
        "about to be started",
        now(S.STARTING),
        [],
        ["web is just being started.", "web is STARTING; no end of it is known."],
    ),
    Playbook(
        "on its way down",
        now(S.STOPPING),
        [],
        ["web is being stopped (pid 42, it ran for 1 min 30 s).", "No end of it is known."],
    ),
    Playbook(
        "not to be signalled",
        now(S.UNKNOWN, pid=9, trouble="cannot send SIGTERM to pid 9: Operation not permitted"),
        [],
        [
            "web is in an unknown state (pid 9): cannot send SIGTERM to pid 9: Operation not permitted.",
            "No end of it is known.",
        ],
    ),
]  # fmt: skip


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=lambda playbook: playbook.title)
def test_playbook(playbook: Playbook) -> None:
    assert explain(playbook.situation, playbook.ends, clock) == playbook.said


@pytest.mark.parametrize(
    ("oom", "detail", "sentence"),
    [
        ("", "", "SIGKILL came from outside: not from tmd."),
        ("no", "", "It was not for want of memory: the kernel killed nothing for that reason meanwhile."),
        ("yes", "process 7, 2.1 GB", "The kernel's log says that the machine, or its control group, ran out of memory "
         "(process 7, 2.1 GB)."),
        ("perhaps", HEARSAY, f"Perhaps for want of memory: {HEARSAY}."),
        ("unknown", "this kernel keeps no count", "Whether it was for want of memory cannot be told: this kernel keeps "
         "no count."),
    ],
)  # fmt: skip
def test_a_sigkill_from_nowhere(oom: Any, detail: str, sentence: str) -> None:
    said = explain(now(S.EXITED), [end(signal=9, oom=oom, oom_detail=detail)], clock)
    assert said[1].startswith("SIGKILL came from outside: not from tmd.")
    assert said[1].endswith(sentence)


@pytest.mark.parametrize(
    ("cause", "then", "words"),
    [
        ("asked", "rest", "somebody asked for it"),
        ("asked", "restart", "somebody asked for a restart"),
        ("restart", "rest", "somebody asked for a restart"),
        ("shutdown", "rest", "tmd was going down or restarting"),
        ("removed", "rest", "it left the configuration"),
        ("changed", "restart", "its settings changed"),
        ("poststart", "rest", "its poststart hook failed (see tmctl maintail)"),
        ("listener", "restart", "it did not do its work as an event listener"),
    ],
)
def test_who_wanted_a_stop(cause: Any, then: Any, words: str) -> None:
    stop = end("stopped", code=0, cause=cause, then=then)
    assert f"Why: {words}." in explain(now(S.STOPPED), [stop], clock)
    assert f"stopped ({words}) after" in in_short(stop, clock)


@pytest.mark.parametrize(
    ("reason", "plain"),
    [
        ("command at '/etc/passwd' is not executable", "the file '/etc/passwd' is not executable"),
        ("couldn't chdir to /nope: ENOENT", "its directory cannot be entered: /nope: ENOENT"),
        ("couldn't setuid to 1000: Can't drop privilege as nonroot user",
         "it cannot become user 1000: Can't drop privilege as nonroot user"),
        ("something new", "something new"),
    ],
)  # fmt: skip
def test_why_there_was_no_start(reason: str, plain: str) -> None:
    assert in_short(end("not_started", reason=reason), clock) == f"@99880 could not be started: {plain}"


def test_earlier_ends_take_one_line_each() -> None:
    assert in_short(end(code=3), clock) == "@99880 exit code 3 after 5 h 12 min"
    assert in_short(end(signal=64, uptime_s=0.3, how="too_soon"), clock) == (
        "@99880 killed by signal 64 (SIGRTMAX) after only 0.3 s"
    )
    assert in_short(end(signal=40), clock) == "@99880 killed by signal 40 after 5 h 12 min"
    assert in_short(end(), clock) == "@99880 how is not known after 5 h 12 min"
    killed = end("stopped", signal=9, ignored_s=10.0, cause="asked", more=2, since=3)
    assert in_short(killed, clock) == (
        "@99880 stopped (somebody asked for it) after 5 h 12 min: killed by signal 9 (SIGKILL), SIGKILL from tmd after "
        "it ignored SIGTERM (and 2 more like it since @3)"
    )
    assert in_short(end(signal=9, oom="yes"), clock).endswith(
        "killed by signal 9 (SIGKILL) after 5 h 12 min, out of memory"
    )
    assert in_short(end("lost"), clock) == "@99880 tmd ended before it; what became of it is not known"
    assert in_short(end("lost", orphaned=True), clock) == "@99880 tmd ended before it, and it went on (pid 7)"


def test_names_and_reasons_cannot_take_over_a_terminal() -> None:
    evil = Situation(id=ProcessId("g\x1b[2J", "p\nweb RUNNING"), state=S.FATAL, now=NOW, trouble="\x1b[31m")
    said = explain(evil, [end("not_started", reason="can't find command '\x1b]0;x\x07'")], clock)
    said += explain(Situation(id=evil.id, state=S.UNKNOWN, now=NOW, trouble="\x1b[31m\n"), [], clock)
    assert all(sentence.isprintable() for sentence in said), said
    assert said[0].startswith("g^[[2J:p^Jweb RUNNING could not be started at all")


def test_last_lines_are_printable_and_few() -> None:
    text = b"one\ntwo\r\n\x1b[31mred\x1b[0m\ttab\nca\xff\xc3\xa9\n"
    assert last_lines(text, 2) == ["^[[31mred^[[0m    tab", "ca\N{REPLACEMENT CHARACTER}é"]
    assert last_lines(text, 9)[:2] == ["one", "two"]
    assert last_lines(b"no end", 5) == ["no end"]
    assert last_lines(b"", 5) == last_lines(text, 0) == []
    assert last_lines(b"\n\nlast\n\n", 2) == ["", "last"]
    assert last_lines("\N{RIGHT-TO-LEFT OVERRIDE}x".encode(), 1) == ["\\u202ex"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 ms"), (0.006, "6 ms"), (0.2, "0.2 s"), (9.96, "10 s"), (12.4, "12 s"), (60, "1 min"), (200, "3 min 20 s"),
     (3600, "1 h"), (18720, "5 h 12 min"), (273_600, "3 d 4 h")],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "just now"), (0.9, "just now"), (1, "1 second ago"), (59, "59 seconds ago"), (125, "2 minutes ago"),
     (7300, "2 hours ago"), (90_000, "1 day ago")],
)  # fmt: skip
def test_how_long_ago(seconds: float, text: str) -> None:
    assert ago(seconds) == text


def test_every_meaning_finishes_a_sentence() -> None:
    for number in MEANINGS:
        said = explain(now(S.EXITED), [end(signal=number)], clock)
        assert said[0].endswith(").")
        assert said[0].isprintable()


@pytest.mark.parametrize(
    ("left", "sentence"),
    [
        (LeftBehind(count=1, names=("sleep",)), "1 process it left behind (sleep) was killed."),
        (LeftBehind(count=2, names=("sh", "\x1b[2J")), "2 processes it left behind (sh, ^[[2J) were killed."),
        (LeftBehind(count=3, names=("a", "b")), "3 processes it left behind (a, b, ...) were killed."),
        (
            LeftBehind(count=1, names=("a",), killed=False),
            "1 process it left behind (a) was left alone (orphans = warn).",
        ),
        (
            LeftBehind(count=2, names=("a", "b"), survivors=1),
            "2 processes it left behind (a, b) were to be killed, but 1 of them would not die.",
        ),
        (
            LeftBehind(count=2, names=("a", "b"), survivors=2),
            "2 processes it left behind (a, b) were to be killed, but none of them would die.",
        ),
        (
            LeftBehind(count=1, names=("a",), survivors=1),
            "1 process it left behind (a) was to be killed, but it would not die.",
        ),
    ],
)
def test_what_it_left_behind(left: LeftBehind, sentence: str) -> None:
    assert explain(now(S.STOPPED), [end("stopped", signal=15, left=left)], clock)[2] == sentence
