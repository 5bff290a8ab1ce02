"""FastCGI programs: the socket they are given, and when it opens and closes."""

from tests.conformance.steps import (
    OFF,
    QUICK,
    Config,
    Ctl,
    Kill,
    Mode,
    Rpc,
    Scenario,
    Talk,
    Until,
    UntilLine,
    section,
)
from tests.e2e.harness import program


def fcgi(name: str, socket: str, *lines: str) -> str:
    """Return an [fcgi-program:x] section whose program answers each connection with its name and what it was sent."""
    return (
        f"[fcgi-program:{name}]\ncommand={program('fcgi_echo.py')} {name}\nsocket={socket}\n"
        + "\n".join((QUICK, *lines))
        + "\n"
    )


UNIX = "unix://{dir}/f.sock"

SCENARIOS = [
    Scenario(
        "fastcgi on a unix socket",
        fcgi("f", UNIX),
        [
            Until("f", "RUNNING"),
            Talk("f.sock", "hello"),
            Mode("f.sock"),
            Ctl("status"),
            Rpc("supervisor.sendProcessStdin", ("f", "x")),
            Ctl("stop f"),
            Ctl("start f"),
            Talk("f.sock", "again"),
            Ctl("restart f"),
            Talk("f.sock", "and again"),
        ],
        log="any order",
    ),
    Scenario(
        "fastcgi on tcp",
        fcgi("f", "tcp://127.0.0.1:{port}", "socket_backlog=5"),
        [Until("f", "RUNNING"), Talk("port", "hello"), Ctl("avail"), Rpc("supervisor.getAllConfigInfo")],
        log="any order",
    ),
    Scenario(
        "fastcgi for several",
        fcgi(
            "f",
            UNIX,
            "numprocs=2",
            "process_name=%(program_name)s%(process_num)d",
            "socket_mode=0600",
            "socket_owner={me}",
        ),
        [
            Until("f:f0", "RUNNING"),
            Until("f:f1", "RUNNING"),
            Mode("f.sock"),
            Ctl("stop f:f0"),
            Talk("f.sock", "the other one"),
            Ctl("stop f:f1"),
            Ctl("start f:*", order="any"),
            Talk("f.sock", "either"),
        ],
        log="any order",
    ),
    Scenario(
        "fastcgi that crashes",
        fcgi("f", UNIX),
        [
            Until("f", "RUNNING"),
            Kill("f", 9),
            UntilLine("success: f", 2),
            Until("f", "RUNNING"),
            Talk("f.sock", "there"),
        ],
        log="no",
    ),
    Scenario(
        "fastcgi that changes",
        fcgi("f", UNIX) + section("a", OFF),
        [
            Until("f", "RUNNING"),
            *(
                step
                for text in (
                    fcgi("f", "unix://{dir}/other.sock"),
                    fcgi("f", UNIX, "startretries=7"),
                    section("f", OFF),
                )
                for step in (Config(text + section("a", OFF)), Rpc("supervisor.reloadConfig"))
            ),
        ],
        log="no",
    ),
]
