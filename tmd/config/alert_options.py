"""The options of alerts, and which kind of alert each belongs to.

A part of THE list of options, which `options` holds together; the same rules.
"""

from collections.abc import Iterator

from tmd.config import alert_kinds, kinds
from tmd.config.option import Effect, Option
from tmd.config.program_options import MB
from tmd.config.settings import AlertKind

_LIVE = Effect.LIVE

NAME = Option(
    "name",
    kinds.OWN_NAME,
    None,
    "What the alert is called; a section in INI has its name in the header.",
    effect=_LIVE,
    native_only=True,
    shown="file, webhook, email or syslog",
    example="ops",
)

COMMON = (
    Option(
        "events",
        alert_kinds.EVENTS,
        (),
        "Events it is about.",
        effect=_LIVE,
        shown="all",
        example="process_exited:unexpected,process_fatal",
    ),
    Option(
        "programs",
        alert_kinds.PROGRAMS,
        (),
        "Groups, programs or group:process it is about, as names or patterns; what is about no program always passes.",
        effect=_LIVE,
        shown="all",
        example="*",
    ),
)
"""of every alert"""

_TIMEOUT = Option("timeout", alert_kinds.TIMEOUT, 10, "How long one delivery may take.", effect=_LIVE)

OPTIONS_OF: dict[AlertKind, tuple[Option, ...]] = {
    "file": (
        Option(
            "file",
            alert_kinds.FILE,
            None,
            "File that gets a line of JSON for each event; it counts from the directory of the daemon's own log.",
            effect=_LIVE,
            example="alerts.jsonl",
        ),
        Option("file_maxbytes", kinds.OWN_SIZE, 10 * MB, "Size at which it is rotated; 0 never rotates.", effect=_LIVE),
        Option("file_backups", kinds.OWN_COUNT, 3, "How many rotated ones are kept; 0 truncates.", effect=_LIVE),
    ),
    "webhook": (
        Option(
            "webhook",
            alert_kinds.URL,
            None,
            "URL that gets a POST of JSON for each event.",
            effect=_LIVE,
            example="https://hooks.example.com/taskmaster",
            secret=True,
        ),
        Option(
            "headers",
            alert_kinds.HEADERS,
            {},
            "Headers sent with it.",
            effect=_LIVE,
            example='X-Team="ops"',
            secret=True,
        ),
        Option(
            "secret",
            alert_kinds.SECRET,
            None,
            "Key it is signed with, by HMAC-SHA256.",
            effect=_LIVE,
            example="a long random text",
            secret=True,
        ),
        _TIMEOUT,
    ),
    "email": (
        Option(
            "email",
            alert_kinds.ADDRESSES,
            None,
            "Addresses that get mail; what happens in quick succession comes in one.",
            effect=_LIVE,
            example="ops@example.com",
        ),
        Option(
            "from",
            alert_kinds.ADDRESS,
            None,
            "Address it comes from.",
            effect=_LIVE,
            shown="taskmaster@ and the name of this machine",
            example="tmd@example.com",
        ),
        Option(
            "smtp",
            alert_kinds.SMTP,
            None,
            "Mail server: a host, or host:port.",
            effect=_LIVE,
            shown="the local sendmail; port 25, with starttls 587, with tls 465",
            example="mail.example.com:587",
            secret=True,  # it is none, but a password may be written into it
        ),
        Option(
            "security",
            alert_kinds.SECURITY,
            "none",
            "How the connection to that server is protected.",
            effect=_LIVE,
            example="starttls",
        ),
        Option("username", kinds.OWN_TEXT, None, "Name that server is given.", effect=_LIVE, example="tmd"),
        Option(
            "password",
            alert_kinds.SECRET,
            None,
            "Password that server is given.",
            effect=_LIVE,
            example="secret",
            secret=True,
        ),
        Option(
            "sendmail",
            alert_kinds.PROGRAM,
            "/usr/sbin/sendmail",
            "Program that takes mail where there is no `smtp`.",
            effect=_LIVE,
        ),
        _TIMEOUT,
    ),
    "syslog": (
        Option(
            "syslog",
            alert_kinds.FACILITY,
            None,
            "Facility of the lines that syslog gets; nothing is daemon.",
            effect=_LIVE,
            example="daemon",
        ),
    ),
}
"""kind of alert -> its own options, the one that makes it of that kind first"""

OWN = tuple({option.name: option for options in OPTIONS_OF.values() for option in options}.values())
ALERT = (*OWN[:1], NAME, *COMMON, *OWN[1:])
"""`[alert:x]`, and `taskmaster.alerts`."""


def alert_samples() -> Iterator[tuple[str, tuple[Option, ...]]]:
    """Return an alert of each kind with a name and the options to show for it, each good as it stands.

    What all have is shown with the first; mail goes by a server in one and by a program in another.
    """
    for kind, (first, *others) in OPTIONS_OF.items():
        shown = (option for option in others if option.name != "sendmail")
        yield kind, (first, *(COMMON if kind == "file" else ()), *shown)
        if kind == "email":
            yield "sendmail", (first, next(option for option in others if option.name == "sendmail"))
