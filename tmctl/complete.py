"""What TAB offers: commands, names of groups and processes, signals.

Pure but for one function that asks for the processes, and that is handed in.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from tmctl.commands import BY_NAME, COMMANDS
from tmctl.render import Info, info_name

if TYPE_CHECKING:
    from tmctl.plugins import Plugins

SIGNALS: tuple[str, ...] = (
    "HUP",
    "INT",
    "QUIT",
    "USR1",
    "USR2",
    "TERM",
    "KILL",
    "STOP",
    "TSTP",
    "CONT",
    "WINCH",
    "TTIN",
    "TTOU",
    "ALRM",
    "ABRT",
)
CACHED_S = 2.0

Ask = Callable[[], Sequence[Info]]


class Names:
    """The processes of the server, asked anew when what is known is old; none when it cannot be asked."""

    def __init__(self, ask: Ask, clock: Callable[[], float], sinks: Callable[[], Sequence[str]] = tuple) -> None:
        self._ask = ask
        self.sinks = sinks
        self._clock = clock
        self._known: Sequence[Info] = ()
        self._asked_at: float | None = None

    def infos(self) -> Sequence[Info]:
        """Return the processes."""
        now = self._clock()
        if self._asked_at is None or now - self._asked_at > CACHED_S:
            self._known, self._asked_at = self._ask(), now
        return self._known

    def forget(self) -> None:
        """Ask anew next time."""
        self._asked_at = None


def completions(
    before: str,
    infos: Callable[[], Sequence[Info]],
    plugins: "Plugins | None" = None,
    sinks: Callable[[], Sequence[str]] = tuple,
) -> list[str]:
    """Return what the last word of the text before the cursor may become, sorted, each a whole word.

    `sinks` gives the names of places that are told of alerts.
    """
    words = before.split()
    word = "" if not words or before[-1].isspace() else words.pop()
    if plugins is not None:
        added = _added(words, word, before, plugins)
        if added is not None:
            return sorted(set(added))
        if words in ([], ["help"]):
            known = {*plugins.names(), *_candidates(words, word, infos, sinks)}
            return sorted(candidate for candidate in known if candidate.startswith(word))
    return sorted({candidate for candidate in _candidates(words, word, infos, sinks) if candidate.startswith(word)})


def _added(earlier: list[str], word: str, before: str, plugins: "Plugins") -> list[str] | None:
    """Return what a plug-in offers for its own command; None when it is not its command."""
    if not earlier or earlier[0] not in plugins.names():
        return None
    known = BY_NAME.get(earlier[0])
    return None if known is not None and not known.own else plugins.complete(earlier[0], word, before)


def _candidates(
    earlier: list[str], word: str, infos: Callable[[], Sequence[Info]], sinks: Callable[[], Sequence[str]]
) -> Iterable[str]:
    if not earlier:
        return [command.name for command in COMMANDS]
    command = BY_NAME.get(earlier[0])
    if command is None:
        return []
    if word.startswith("-") and (command.flags or command.options):
        return [*command.flags, *command.options]
    named = [one for one in earlier[1:] if not one.startswith("-")]
    match command.completes:
        case "commands":
            return [other.name for other in COMMANDS] if not named else []
        case "groups":
            return [*(info["group"] for info in infos()), "all"]
        case "processes":
            return _processes(infos(), with_all=command.name not in ("tail", "fg"))
        case "signal then processes":
            return _processes(infos(), with_all=True) if named else SIGNALS
        case "sinks":
            return [*sinks(), "all"]
        case _:
            return []


def _processes(infos: Sequence[Info], *, with_all: bool) -> Iterable[str]:
    """Every name, and `group:*` for groups whose processes have names of their own."""
    for info in infos:
        yield info_name(info)
        if with_all and info["group"] != info["name"]:
            yield f"{info['group']}:*"
    if with_all:
        yield "all"
