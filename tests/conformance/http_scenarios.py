"""Plain HTTP: status lines, the headers that matter, bodies; what a browser or a script of one's own would see."""

import base64

from tests.conformance.steps import OFF, QUICK, SLEEP, Http, Scenario, Step, Until, UntilText, section
from tests.e2e.harness import program

ECHO = section("echo", f"command={program('echo.py')}", QUICK, "stdout_logfile={dir}/out", "stderr_logfile={dir}/err")
MUTE = section("mute", SLEEP, "stdout_logfile=NONE", "stderr_logfile=NONE")
STATE = "<methodCall><methodName>supervisor.getState</methodName></methodCall>"


def get(path: str, verb: str = "GET", *headers: str, version: str = "1.1") -> str:
    """Return a request without a body."""
    return "\n".join((f"{verb} {path} HTTP/{version}", "Host: localhost", *headers)) + "\n\n"


def post(body: str, *headers: str, path: str = "/RPC2", version: str = "1.1") -> str:
    """Return a request with a body."""
    lines = (f"POST {path} HTTP/{version}", "Host: localhost", "Content-Length: LENGTH", *headers)
    return "\n".join(lines) + f"\n\n{body}"


def basic(text: str) -> str:
    """Return the header of a login."""
    return "Authorization: Basic " + base64.b64encode(text.encode()).decode()


def errors(*requests: str) -> list[Step]:
    """Send requests that are answered by an error page."""
    return [Http(request, "error") for request in requests]


SCENARIOS = [
    Scenario(
        "http paths that are not there",
        section("a", OFF),
        errors(
            get("/nothing"),
            get("/nothing/at/all"),
            get("/index.htm"),
            get("/../../etc/passwd"),
            get("/stylesheets/none.css"),
            get("/favicon.ico"),
            get("/logtail/nobody"),
            get("/logtail/nobody/stderr"),
            get("/logtail/a/stdin"),
            get("/logtail/a:b:c"),
            get("/nothing", "HEAD"),
        ),
        log="no",
    ),
    Scenario(
        "http verbs",
        section("a", OFF),
        errors(
            get("/RPC2"),
            get("/RPC2", "PUT"),
            get("/RPC2", "DELETE"),
            get("/RPC2", "HEAD"),
            get("/nothing", "PUT", "Content-Length: 0"),
            get("/nothing", "OPTIONS"),
        ),
        log="no",
    ),
    Scenario(
        "http requests to the rpc",
        section("a", OFF),
        [
            Http(post(STATE), "rpc"),
            Http(post(STATE, path="/RPC2/"), "rpc"),
            Http(post(STATE, path="/RPC2/more"), "rpc"),
            Http(post(STATE, "Content-Type: text/plain"), "rpc"),
            Http(post("nonsense"), "error"),
            Http(post("<methodCall/>"), "error"),
            Http("POST /RPC2 HTTP/1.1\nHost: x\n\n", "error"),
            Http("POST /RPC2 HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n", "error"),
        ],
        log="no",
    ),
    Scenario(
        "http connections",
        section("a", OFF),
        [
            Http(post(STATE), "rpc", more=post(STATE)),
            Http(post(STATE, version="1.0"), "rpc"),
            Http(post(STATE, "Connection: close"), "rpc"),
            Http(post(STATE, "Connection: keep-alive"), "rpc", more=post(STATE)),
            Http(post(STATE, "Connection: Keep-Alive", version="1.0"), "rpc", more=post(STATE)),
            Http(get("/nothing"), "error", more=post(STATE)),
        ],
        log="no",
    ),
    Scenario(
        "http with a password",
        ECHO,
        [
            UntilText("out", "ready"),
            *errors(
                get("/"),
                post(STATE),
                post(STATE, basic("me:wrong")),
                post(STATE, basic("you:mine")),
                post(STATE, basic(":")),
                post(STATE, basic("me:")),
                post(STATE, "Authorization: Bearer x"),
                post(STATE, "Authorization: Basic"),
                get("/logtail/echo"),
                get("/mainlogtail"),
                get("/nothing"),
            ),
            Http(post(STATE, basic("me:mine")), "rpc"),
            Http(post(STATE, basic("me:mine").replace("Basic", "basic")), "rpc"),
            Http(get("/nothing", "GET", basic("me:mine")), "error"),
        ],
        server="username=me\npassword=mine",
        credentials=("me", "mine"),
        log="no",
    ),
    Scenario(
        "http with a colon in the password",
        "",
        [
            Http(post(STATE, basic("me:a:b")), "rpc"),
            *errors(post(STATE, basic("me:a")), post(STATE, basic("me:a:b:c"))),
        ],
        server="username=me\npassword=a:b",
        credentials=("me", "a:b"),
        log="no",
    ),
    Scenario(
        "http streams of a log",
        ECHO + MUTE,
        [
            UntilText("out", "ready"),
            Until("mute", "RUNNING"),
            Http(get("/logtail/echo")),
            Http(get("/logtail/echo/stdout")),
            Http(get("/logtail/echo:echo/stdout")),
            Http(get("/logtail/echo/stderr"), "none"),
            *errors(get("/logtail/mute"), get("/logtail/mute/stderr"), get("/logtail/echo/other")),
        ],
        log="no",
    ),
    Scenario(
        "http stream of a long log",
        section("long", "command=/bin/sh -c 'seq 1000 2000; exec sleep 1000'", QUICK, "stdout_logfile={dir}/out"),
        [UntilText("out", "2000"), Http(get("/logtail/long"))],
        log="no",
    ),
    Scenario(
        "http stream of the main log",
        section("a", OFF),
        [Http(get("/mainlogtail"), "none")],
        log="no",
    ),
    Scenario(
        "http pages",
        section("a", OFF),
        [
            Http(get("/"), "none"),
            Http(get("/index.html"), "none"),
            Http(get("/ok.html"), "text"),
        ],
        log="no",
    ),
    Scenario(
        "http over tcp",
        section("a", OFF),
        [
            Http(post(STATE), "error", port=True),
            Http(post(STATE, basic("me:mine")), "rpc", port=True),
            Http(get("/nothing", "GET", basic("me:mine")), "error", port=True),
            Http(post(STATE), "rpc"),
        ],
        head="[inet_http_server]\nport=127.0.0.1:{port}\nusername=me\npassword=mine\n",
        log="any order",
    ),
]
