"""Supervisor from PyPI: the one whose place tmd wants to take."""

import importlib.metadata
from typing import ClassVar

from bench.cache import venv
from bench.subjects.dialect import Dialect, beside

VERSION = "4.3.0"


class Supervisor(Dialect):
    """supervisord with a unix and a TCP server: that of this interpreter's environment, else fetched."""

    name: ClassVar[str] = "supervisor"

    @classmethod
    def version(cls) -> str:
        """Return the version that is measured."""
        cls.command(daemon=True)
        return VERSION

    @classmethod
    def command(cls, daemon: bool) -> tuple[str, ...]:
        """Return `supervisord` or `supervisorctl`."""
        name = "supervisord" if daemon else "supervisorctl"
        if _here():
            return beside(name)
        return (str(venv(f"supervisor-{VERSION}", f"supervisor=={VERSION}") / "bin" / name),)


def _here() -> bool:
    try:
        return importlib.metadata.version("supervisor") == VERSION
    except importlib.metadata.PackageNotFoundError:
        return False
