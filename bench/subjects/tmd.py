"""tmd as a user gets it: with its journal, events, figures and pages."""

from typing import ClassVar

import tmd
from bench.subjects.dialect import Dialect, beside
from bench.subjects.xml_rpc import XmlRpc


class Tmd(Dialect):
    """The tmd of this interpreter's environment, in Supervisor's dialect."""

    name: ClassVar[str] = "tmd"

    @classmethod
    def version(cls) -> str:
        """Return the version of the package."""
        cls.command(daemon=True)
        return tmd.__version__

    @classmethod
    def command(cls, daemon: bool) -> tuple[str, ...]:
        """Return `tmd` or `tmctl`."""
        return beside("tmd" if daemon else "tmctl")

    def _update(self, rpc: XmlRpc, added: list[str], changed: list[str], removed: list[str]) -> None:
        """Have it all done with one call."""
        rpc.call("taskmaster.update", [])
