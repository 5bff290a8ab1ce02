"""Whatever stands in a file of Supervisor's, both parsers accept it alike or refuse it in the same words."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.config.against_supervisor import compare
from tmd.config.option import Option
from tmd.config.options import DAEMON, GROUP, INET_SERVER, UNIX_SERVER
from tmd.config.program_options import FCGI, LISTENER, PROGRAM

PLAIN = (
    """
 x|0|1|-1| 5 |1_0|true|no|2|a b|a,b|b , a|a,|f|a:b|a/b|/tmp/x|/no/where/x|~/x|root|nobody|ghost|AUTO|none|syslog
 |unexpected|TERM|99|022|0o22|9|1MB|2 kb|A=1|A="1 2"|A|A='x|tcp://h:1|TCP://h:1|unix:///tmp/s|unix://s|tick_5,EVENT
 |supervisor.rpcinterface:make_main_rpcinterface|no:where|x ; y|x # y|x;y|"x"|'|x\n  y|x\n\n  ; c\n  y|é|localhost:80
 |*:9001|70000|{SHA}x|[x]|=x|-|
""".replace("\n |", "|")
    .strip("\n")
    .split("|")
)
EXPANDED = (
    "%(here)s",
    "%(program_name)s",
    "%(group_name)s-%(process_num)02d",
    "A%(process_num)d=%(numprocs)d",
    "%(ENV_HOME)s",
    "%(ENV_A)s",
    "%(ENV_A0)s",
    "%(nope)s",
    "%%",
    "100%",
    "%(x",
    "%(here)d",
)


def line(name: str, equals: str, value: str) -> str:
    """Return one option, unless it is one of the few in which the two are known to differ."""
    if name in ("logfile", "pidfile") and value == "":
        value = "x"  # Supervisor takes the current directory for a file
    if name == "events":
        value = value.replace(",", "-")  # of several unknown types it names any
    return f"{name}{equals}{value}\n"


def written(options: tuple[Option, ...], *, expanded: bool = True) -> st.SearchStrategy[str]:
    # not expanded: in the sections of servers Supervisor has no %(here)s to offer
    own = {option.name for option in options if option.native_only or option.kind.supervisor is None}
    names = sorted({option.name for option in options} - own)
    values = st.sampled_from((*PLAIN, *EXPANDED) if expanded else PLAIN)
    lines = st.builds(line, st.sampled_from(names), st.sampled_from(("=", " = ", ":")), values)
    return st.lists(lines, max_size=4).map("".join)


def section(
    kind: str, names: str, required: str, options: tuple[Option, ...], *, expanded: bool = True
) -> st.SearchStrategy[str]:
    return st.builds(
        lambda name, start, more: f"[{kind}{name}]\n{start}{more}",
        st.sampled_from(names.split("|")),
        st.sampled_from((required, required, required, "")),
        written(options, expanded=expanded),
    )


NAMES = ":a|:a|:b|:f|: a |:a b|:"
SECTIONS = st.one_of(
    section("program", NAMES, "command=x\n", PROGRAM),
    section("program", NAMES, "command=x\n", PROGRAM),
    section("eventlistener", NAMES, "command=x\nevents=EVENT\n", LISTENER),
    section("fcgi-program", NAMES, "command=x\nsocket=unix:///tmp/s\n", FCGI),
    section("group", ":g|:a|:g h", "programs=a\n", GROUP),
    section("unix_http_server", "|:x", "file=/tmp/s\n", UNIX_SERVER, expanded=False),
    section("inet_http_server", "|:x", "port=9001\n", INET_SERVER, expanded=False),
    section("DEFAULT", "", "", PROGRAM, expanded=False),
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("config") / "supervisord.conf"


@given(st.builds(lambda text: f"[supervisord]\n{text}", written(DAEMON)), st.lists(SECTIONS, max_size=4))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_file_means_what_it_means_to_supervisor(path: Path, daemon: str, sections: list[str]) -> None:
    path.write_text("".join((daemon, *sections)), encoding="utf-8")
    compare(path)
