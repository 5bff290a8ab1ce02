"""From the sections of extensions to what is to be loaded into the daemon."""

from collections.abc import Iterable

from tmd.config import kinds
from tmd.config.option import Option, Options
from tmd.config.options import EXTENSION
from tmd.config.reader import Reader, Setup
from tmd.config.settings import ExtensionSpec
from tmd.tree.node import Mapping

_FACTORY = EXTENSION[0]
_BUILT_IN = ("supervisor", "supervisor.rpcinterface:make_main_rpcinterface")


def read_extensions(sections: Iterable[tuple[str, Mapping]], setup: Setup) -> tuple[ExtensionSpec, ...]:
    """Return the extensions that (name, section) pairs ask for, but for the one that is built in."""
    found = [_read_extension(name, body, setup) for name, body in sections]
    return tuple(spec for spec in found if spec is not None)


def _read_extension(name: str, body: Mapping, setup: Setup) -> ExtensionSpec | None:
    """Return one extension; None for the one that is built in, and after a problem."""
    if setup.native and not name.strip():
        setup.findings.problem(body.origin, body.label, "an rpcinterface needs a name", "it begins its methods' names")
    factory_words = (_FACTORY.name, *(_FACTORY.synonyms if setup.native else ()))
    # Supervisor hands [DEFAULT] to factories, too; a file of ours means options of programs by it
    defaults = setup.defaults.entries if setup.defaults is not None and not setup.native else {}
    arguments = [key for key in dict.fromkeys((*body.entries, *defaults)) if key not in factory_words]
    options = Options.of((_FACTORY, *(Option(key, kinds.TEXT, "", "An argument.") for key in arguments)))
    reader, names = Reader(body, options, setup), setup.names()
    if reader.entry(_FACTORY.name) is None:
        reason = f"section [{body.label}] does not specify a supervisor.rpcinterface_factory"
        reader.fail(_FACTORY.name, "is missing" if setup.native else reason, f"{_FACTORY.name} = module:attribute")
        return None
    factory = reader.read(_FACTORY.name, names)
    built_in = (name, factory) == _BUILT_IN
    if factory is not None and not built_in and (why := setup.host.resolve_problem(factory)) is not None:
        written = reader.text(_FACTORY.name, names)
        reason = f"cannot import {factory!r}" if setup.native else f"{written} cannot be resolved within [{body.label}]"
        reader.fail(_FACTORY.name, reason, why)
    given = {key.lower(): reader.read(key, names) for key in arguments}
    if built_in:
        # nothing would look at them
        Reader(body, Options.of([_FACTORY]), setup).check_unknown()
    return None if built_in or factory is None else ExtensionSpec(name=name, factory=factory, options=given)
