"""Children: what they begin life with, and what is said when they cannot."""

import fcntl
import gc
import os
import resource
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.e2e import world
from tests.posix.conftest import NOBODY
from tests.support import GLIBC_OWN
from tmd.posix import children, forking
from tmd.posix.children import Launch, SpawnRefused
from tmd.posix.privileges import find_user
from tmd.wire.faults import Fault

ROOT = Path(__file__).resolve().parents[2]
AS_ROOT = os.geteuid() == 0


@pytest.fixture(params=[True, False], ids=["directly", "by the library"])
def launch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Launch]:
    """What starts `sh -c 'exit 0'` with its output in a file that `run` reads."""
    monkeypatch.setattr(forking, "_KNOWN", request.param)
    output = os.memfd_create("output")
    null = os.open(os.devnull, os.O_RDONLY)
    yield Launch(argv=("sh", "-c", "exit 0"), path="/bin/sh", environment={}, stdin=null, stdout=output, stderr=output)
    os.close(output)
    os.close(null)


def run(launch: Launch) -> tuple[int, str]:
    """Start, wait, and return the exit code and all output."""
    pid = children.spawn("web", launch)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return code, os.pread(launch.stdout, 1 << 20, 0).decode()


def shell(launch: Launch, script: str) -> str:
    code, output = run(replace(launch, argv=("sh", "-c", script)))
    assert code == 0, output
    return output


def refused(launch: Launch) -> SpawnRefused:
    before = world.children(os.getpid())
    with pytest.raises(SpawnRefused) as refusal:
        children.spawn("web", launch)
    assert world.children(os.getpid()) == before, "no child is left, not even one that has ended"
    assert refusal.value.fault is Fault.SPAWN_ERROR
    return refusal.value


def program(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(0o755)
    return path


# --- what a child begins life with ---------------------------------------------------------------------------------


def test_it_gets_its_arguments_environment_and_exit_code(launch: Launch) -> None:
    launch = replace(
        launch, argv=("nick name", "-c", 'printf "%s|" "$0" "$@"; env; exit 3', "a b", "", "c"), environment={"A": "1"}
    )
    code, output = run(launch)
    assert code == 3
    assert output.startswith("a b||c|")
    assert sorted(output.partition("c|")[2].split("\n"))[1:] == ["A=1", f"PWD={os.getcwd()}"]


def test_it_has_descriptors_0_1_and_2_and_no_other(launch: Launch) -> None:
    leaks = [os.dup(0) for _ in range(20)]
    for leak in leaks:
        os.set_inheritable(leak, True)
    try:
        script = "for fd in $(seq 0 99); do [ -e /proc/$$/fd/$fd ] && echo $fd; done; true"
        assert shell(replace(launch, environment=os.environ), script).split() == ["0", "1", "2"]
    finally:
        for leak in leaks:
            os.close(leak)


def test_its_descriptors_are_the_given_ones(launch: Launch) -> None:
    reader, writer = os.pipe()
    errors = os.memfd_create("errors")
    os.write(writer, b"in\n")
    os.close(writer)
    code, output = run(replace(launch, argv=("sh", "-c", "cat; echo err >&2"), stdin=reader, stderr=errors))
    assert (code, output) == (0, "in\n")
    assert os.pread(errors, 100, 0) == b"err\n"
    os.close(reader)
    os.close(errors)


@pytest.mark.parametrize(("restore", "ignored"), [(True, 0), (False, 1 << 12 | 1 << 24)])
def test_its_signals_are_default_but_for_those_it_is_to_ignore(launch: Launch, restore: bool, ignored: int) -> None:
    """SIGPIPE is 13 and SIGXFSZ 25: bits 12 and 24, as they are in the children of Supervisor."""
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    try:
        launch = replace(launch, restore_signals=restore, argv=("cat", "/proc/self/status"), path="/bin/cat")
        _, output = run(launch)
    finally:
        signal.signal(signal.SIGUSR1, before)
    masks = {line.split()[0]: line.split()[1] for line in output.splitlines() if line.startswith("Sig")}
    assert int(masks["SigIgn:"], 16) & ~GLIBC_OWN == ignored
    assert int(masks["SigBlk:"], 16) == 0
    assert int(masks["SigCgt:"], 16) == 0


def test_it_leads_a_group_of_its_own_in_our_session(launch: Launch) -> None:
    pid, group, session = shell(launch, "cut -d' ' -f1,5,6 /proc/self/stat; echo $$ >&2").split()[:3]
    own = int(os.pread(launch.stdout, 1000, 0).split()[-1])
    assert int(pid) != own, "cut is a child of the shell"
    assert (int(group), int(session)) == (own, os.getsid(0))


@pytest.mark.parametrize(("umask", "seen"), [(None, None), (0o027, "0027"), (0, "0000")])
def test_its_umask_is_the_given_one_or_ours(launch: Launch, umask: int | None, seen: str | None) -> None:
    ours = os.umask(0o031)
    try:
        assert shell(replace(launch, umask=umask), "umask").strip() == (seen or "0031")
    finally:
        os.umask(ours)


def test_its_directory_is_the_given_one_or_ours(launch: Launch, tmp_path: Path) -> None:
    assert shell(launch, "pwd -P").strip() == os.getcwd()
    os.ftruncate(launch.stdout, 0)
    os.lseek(launch.stdout, 0, os.SEEK_SET)
    assert shell(replace(launch, directory=str(tmp_path)), "pwd -P").strip() == str(tmp_path)


def test_a_relative_path_counts_from_its_directory(launch: Launch, tmp_path: Path) -> None:
    program(tmp_path / "tool", "#!/bin/sh\necho here\n")
    for path in ("./tool", "tool"):
        code, _ = run(replace(launch, directory=str(tmp_path), path=path, environment={"PATH": "/nowhere"}))
        assert code == 0
    assert os.pread(launch.stdout, 100, 0) == b"here\nhere\n"


def test_as_another_user_it_has_nothing_left_of_ours(launch: Launch) -> None:
    """Root becomes that user for good; who is not root is told so, and nothing starts."""
    launch = replace(launch, uid=NOBODY, gid=NOBODY, groups=(NOBODY, 12))
    if AS_ROOT:
        output = shell(launch, "grep -E '^(Uid|Gid|Groups|CapEff)' /proc/self/status")
        facts = {line.split()[0]: line.split()[1:] for line in output.splitlines()}
        assert facts["Uid:"] == facts["Gid:"] == [str(NOBODY)] * 4
        assert sorted(map(int, facts["Groups:"])) == [12, NOBODY]
        assert int(facts["CapEff:"][0], 16) == 0
    else:
        reason = refused(launch).reason
        assert reason.startswith(f"couldn't setuid to {NOBODY}: Can't drop privilege as nonroot user (only ")


def test_becoming_who_we_are_needs_no_privilege_and_changes_no_group(launch: Launch) -> None:
    ours = sorted(os.getgroups())
    launch = replace(launch, uid=os.geteuid(), gid=os.getegid(), groups=(os.getegid(), 54321))
    output = shell(launch, "grep ^Groups /proc/self/status")
    assert sorted(map(int, output.split()[1:])) == ours


def test_a_uid_without_groups_is_no_launch() -> None:
    with pytest.raises(ValueError, match="without its gid and groups"):
        Launch(argv=("x",), path="/x", environment={}, stdin=0, stdout=1, stderr=2, uid=NOBODY)


def test_a_files_limit_is_set_while_it_runs(launch: Launch) -> None:
    reader, writer = os.pipe()
    pid = children.spawn("web", replace(launch, argv=("sh", "-c", "read x; ulimit -Sn; ulimit -Hn"), stdin=reader))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    children.set_files_limit(pid, 777)
    os.write(writer, b"go\n")
    os.waitpid(pid, 0)
    assert os.pread(launch.stdout, 100, 0).split() == [b"777", b"%d" % hard]
    children.set_files_limit(pid, 777)
    os.close(reader)
    os.close(writer)


# --- the ends of it ------------------------------------------------------------------------------------------------


def test_nobody_waits_for_it_but_the_loop(launch: Launch) -> None:
    """What Popen thinks of its child must neither take the exit nor warn, forgotten early, late or never."""
    pids = [children.spawn("web", launch) for _ in range(5)]
    gc.collect()
    children.spawn("web", launch)
    reaped = {os.waitpid(-1, 0)[0] for _ in range(6)}
    assert reaped > set(pids)
    gc.collect()


def test_a_signal_goes_to_one_or_to_the_whole_group(launch: Launch) -> None:
    for whole_group, survivors in ((False, 1), (True, 0)):
        reader, writer = os.pipe()
        script = "sleep 100 & echo $!; wait"
        pid = children.spawn("web", replace(launch, argv=("sh", "-c", script), stdout=writer))
        os.close(writer)
        grandchild = int(os.read(reader, 100))
        children.send_signal(pid, signal.SIGKILL, whole_group)
        assert os.waitpid(pid, 0)[1] == signal.SIGKILL
        if survivors:
            assert Path(f"/proc/{grandchild}").exists()
            os.kill(grandchild, signal.SIGKILL)
        assert os.read(reader, 1) == b"", "the pipe ends when both are gone"
        os.close(reader)


def test_a_signal_for_who_is_gone_is_no_error_and_a_bad_one_is(launch: Launch) -> None:
    pid = children.spawn("web", launch)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    children.send_signal(pid, signal.SIGTERM, False)
    os.waitpid(pid, 0)
    children.send_signal(pid, signal.SIGTERM, False)
    children.send_signal(pid, signal.SIGTERM, True)
    with pytest.raises(OSError, match="Invalid argument"):
        children.send_signal(os.getpid(), 12345, False)


@pytest.mark.parametrize("pid", [1, 0, -1])
def test_a_number_that_means_more_than_one_process_is_never_signalled(pid: int) -> None:
    with pytest.raises(ValueError, match="never one program"):
        children.send_signal(pid, signal.SIGTERM, False)


# --- why it cannot start -------------------------------------------------------------------------------------------


def test_a_directory_that_cannot_be_entered(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for directory, code in ((tmp_path / "none", "ENOENT"), (tmp_path / "file", "ENOTDIR")):
        refusal = refused(replace(launch, directory=str(directory)))
        assert refusal.reason == f"couldn't chdir to {directory}: {code}"
        assert not refusal.transient


def test_a_directory_is_not_blamed_on_the_user(launch: Launch, tmp_path: Path) -> None:
    launch = replace(launch, directory=str(tmp_path / "none"), uid=NOBODY, gid=NOBODY, groups=(NOBODY,))
    assert refused(launch).reason == f"couldn't chdir to {tmp_path}/none: ENOENT"


ELF_WITHOUT_LOADER = (
    struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 2, 62, 1, 0x400000, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    + struct.pack("<IIQQQQQQ", 3, 4, 120, 0x400078, 0, 13, 13, 1)
    + b"/no/such/ld\0\0"
)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("\1\2rubbish", "ENOEXEC"),
        ("", "ENOEXEC"),
        ("#!/no/such/sh -x\n", "ENOENT (bad interpreter '/no/such/sh')"),
        ("#! \t/no/such/sh\n", "ENOENT (bad interpreter '/no/such/sh')"),
        ("#!/bin/sh\r\necho\r\n", "ENOENT (bad interpreter '/bin/sh\\r')"),
        (ELF_WITHOUT_LOADER, "ENOENT (its dynamic loader is missing)"),
        ("#!/tmp\n", "EACCES"),
    ],
)
def test_a_file_the_kernel_will_not_execute(launch: Launch, tmp_path: Path, text: str | bytes, why: str) -> None:
    path = program(tmp_path / "tool", text)
    refusal = refused(replace(launch, path=str(path), argv=("tool", "-x")))
    assert refusal.reason == f"couldn't exec tool: {why}"
    assert not refusal.transient
    refusal = refused(replace(launch, path="./tool", argv=("tool",), directory=str(tmp_path)))
    assert refusal.reason == f"couldn't exec tool: {why}"


def test_a_file_that_vanished(launch: Launch, tmp_path: Path) -> None:
    assert refused(replace(launch, path=str(tmp_path / "x"), argv=("x",))).reason == "couldn't exec x: ENOENT"


def test_a_file_that_is_being_written(launch: Launch, tmp_path: Path) -> None:
    path = program(tmp_path / "tool", Path("/bin/true").read_bytes())
    with open(path, "ab"):
        assert refused(replace(launch, path=str(path), argv=("tool",))).reason == "couldn't exec tool: ETXTBSY"


def test_arguments_that_are_too_long(launch: Launch) -> None:
    assert refused(replace(launch, argv=("sh", "x" * (1 << 18)))).reason == "couldn't exec sh: E2BIG"
    assert refused(replace(launch, environment={"A": "x" * (1 << 18)})).reason == "couldn't exec sh: E2BIG"


@pytest.mark.parametrize(
    ("argv", "environment", "why"),
    [
        (("sh", "a\0b"), {}, "embedded null byte"),
        (("sh",), {"A": "a\0b"}, "embedded null byte"),
        (("sh",), {"A=B": "c"}, "illegal environment variable name"),
    ],
)
def test_words_that_cannot_be_passed_on(
    launch: Launch, argv: tuple[str, ...], environment: dict[str, str], why: str
) -> None:
    assert refused(replace(launch, argv=argv, environment=environment)).reason == f"couldn't exec sh: {why}"


@pytest.mark.parametrize("number", [-5, -1, (1 << 32) - 1, 1 << 32])
@pytest.mark.parametrize("which", ["uid", "gid", "group"])
def test_a_number_that_nobody_can_have_is_refused_and_never_means_no_change(
    launch: Launch, number: int, which: str
) -> None:
    """The system takes 2**32-1 for -1, which is "leave it as it is": the program would be root."""
    uid, gid, group = (number if each == which else 1 for each in ("uid", "gid", "group"))
    refusal = refused(replace(launch, uid=uid, gid=gid, groups=(1, group)))
    assert refusal.reason == f"couldn't setuid to {uid}: {number} is no number of a user or group"
    assert not refusal.transient


@pytest.mark.skipif(not AS_ROOT or not shutil.which("strace"), reason="needs root and strace")
def test_groups_then_group_then_user_between_fork_and_exec(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    calls = "setgroups,setgid,setregid,setresgid,setuid,setreuid,setresuid,execve"
    refusal_of("strace", "-f", "-qq", "-o", str(trace), "-e", f"trace={calls}", "--")
    pids: dict[str, list[str]] = {}
    for line in trace.read_text().splitlines():
        pids.setdefault(line.split()[0], []).append(line.split(None, 1)[1].partition("(")[0])
    child = list(pids.values())[-1]
    assert child == ["setgroups", "setregid", "setreuid", "execve"]


def test_no_descriptors_left(launch: Launch) -> None:
    before = world.children(os.getpid())
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    next_free = os.dup(0)
    os.close(next_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (next_free, limits[1]))
    try:
        with pytest.raises(SpawnRefused) as refused:
            children.spawn("web", launch)
        with pytest.raises(OSError, match="Too many open files") as pipe_refused:
            os.pipe()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert world.children(os.getpid()) == before
    refusal = refused.value
    assert refusal.reason == "too many open files to spawn 'web'"
    assert refusal.transient
    assert children.pipes_refused("web", pipe_refused.value) == "too many open files to spawn 'web'"
    assert run(launch) == (0, ""), "and when there are some again, it starts"


def test_other_trouble_with_pipes_is_named() -> None:
    assert children.pipes_refused("web", OSError(5, "")) == "unknown error making dispatchers for 'web': EIO"


def test_no_processes_left(launch: Launch) -> None:
    """The limit holds for everybody but root: root meets it in the user it becomes, others at once."""
    limits = resource.getrlimit(resource.RLIMIT_NPROC)
    if AS_ROOT:
        launch = replace(launch, uid=NOBODY, gid=NOBODY, groups=(NOBODY,))
    # The kernel counts who is there already: the first process of a user always fits.
    first = children.spawn("first", replace(launch, argv=("sleep", "60"), path="/bin/sleep"))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, limits[1]))
    try:
        with pytest.raises(SpawnRefused) as refused_spawn:
            children.spawn("web", launch)
    finally:
        resource.setrlimit(resource.RLIMIT_NPROC, limits)
        os.kill(first, 9)
        os.waitpid(first, 0)
    refusal = refused_spawn.value
    assert refusal.reason == "Too many processes in process table to spawn 'web'"
    assert refusal.transient
    assert run(launch) == (0, "")


SPAWN = f"""
from tmd.posix.children import Launch, SpawnRefused, spawn
launch = Launch(argv=("true",), path="/bin/true", environment={{}}, stdin=0, stdout=1, stderr=2,
                uid={NOBODY}, gid={NOBODY}, groups=({NOBODY},), directory="/")
try:
    spawn("web", launch)
except SpawnRefused as why:
    print(why.reason)
"""
_ENTRY = find_user(NOBODY)
WHOM = f"'{_ENTRY.name}'" if _ENTRY else f"uid {NOBODY}"


def refusal_of(*wrapper: str) -> str:
    done = subprocess.run([*wrapper, sys.executable, "-c", SPAWN], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout


def test_who_is_not_root_is_told_what_it_takes(launch: Launch) -> None:
    if AS_ROOT:
        without = [f"--{kind}=-setuid,-setgid" for kind in ("bounding-set", "inh-caps")]
        told = refusal_of("setpriv", *without)
        assert told.startswith(f"couldn't setuid to {NOBODY}: Could not set groups of effective user (")
        return
    launch = replace(launch, uid=NOBODY, gid=NOBODY, groups=(NOBODY,), directory="/")
    assert refused(launch).reason == (
        f"couldn't setuid to {NOBODY}: Can't drop privilege as nonroot user "
        f"(only a daemon started as root can run programs as {WHOM})"
    )


@pytest.mark.skipif(not AS_ROOT, reason="only root has capabilities to give up")
@pytest.mark.parametrize(
    ("capability", "told"),
    [
        (
            "setgid",
            f"Could not set groups of effective user (to become {WHOM}: setgroups({NOBODY}), "
            "EPERM: CAP_SETGID is missing)",
        ),
        ("setuid", f"Could not set user id (to become {WHOM}: setuid({NOBODY}), EPERM: CAP_SETUID is missing)"),
    ],
)
def test_root_without_the_capability_says_which_step_failed(capability: str, told: str) -> None:
    without = ["setpriv", "--bounding-set", f"-{capability}", "--inh-caps", f"-{capability}"]
    assert refusal_of(*without) == f"couldn't setuid to {NOBODY}: {told}\n"


def in_a_container(*wrapper: str) -> str:
    """Return why a start is refused in a user namespace that knows none but ourselves."""
    try:
        return refusal_of("unshare", "--user", *wrapper)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("user namespaces are not there, or not for us")


def test_a_container_that_does_not_know_the_user_is_told_of() -> None:
    told = in_a_container("--map-root-user")
    assert told.startswith(f"couldn't setuid to {NOBODY}: Could not set groups of effective user (to become ")
    assert told.endswith((": this container forbids it)\n", "EINVAL: this container has no such number)\n"))


def test_a_failed_start_leaves_the_given_descriptors_alone(launch: Launch) -> None:
    refused(replace(launch, path="/no/such"))
    for fd in (launch.stdin, launch.stdout):
        assert fcntl.fcntl(fd, fcntl.F_GETFD) == fcntl.FD_CLOEXEC
