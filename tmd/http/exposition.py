"""The text formats that Prometheus reads: OpenMetrics 1.0, and the older one before it.

A family is written in one go, head and samples. Promises text that both parsers take, whatever is in the labels. Knows
no metric.
"""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from tmd.core.traffic import Histogram

OPENMETRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PROMETHEUS_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Kind = Literal["gauge", "counter", "histogram", "stateset", "info"]
_PLAIN_KINDS: dict[Kind, str] = {"stateset": "gauge", "info": "gauge"}
"""what the older format calls what it does not know"""
_UNITS = ("seconds", "bytes", "ratio")


class Family(NamedTuple):
    """What goes before the samples of one metric. `name` as samples of a gauge have it: without `_total`, `_info`."""

    name: str
    kind: Kind
    help: str

    @property
    def sample(self) -> str:
        """The name of its samples."""
        return self.name + {"counter": "_total", "info": "_info"}.get(self.kind, "")


def escape(text: str) -> str:
    """Return text as it may stand between the quotes of a label."""
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    if '"' in text:
        text = text.replace('"', '\\"')
    return text.replace("\n", "\\n") if "\n" in text else text


def labels(**values: str) -> str:
    """Return labels in their brackets; empty for none."""
    inner = ",".join(f'{name}="{escape(value)}"' for name, value in values.items())
    return f"{{{inner}}}" if inner else ""


def number(value: float) -> str:
    """Return a value as both formats write it."""
    return str(value) if isinstance(value, int) else f"{value:.15g}"


class Page:
    """A page in one of the two formats, family by family."""

    def __init__(self, *, openmetrics: bool) -> None:
        self._openmetrics = openmetrics
        self._pieces: list[str] = []

    def family(self, family: Family, samples: Iterable[tuple[str, float]]) -> None:
        """Write a family with its samples as (labels in brackets, value); nothing if there are no samples."""
        name = family.sample
        self.lines(family, [f"{name}{labels_} {number(value)}\n" for labels_, value in samples])

    def one(self, family: Family, value: float) -> None:
        """Write a family with a single sample that has no labels."""
        self.family(family, [("", value)])

    def lines(self, family: Family, lines: Sequence[str]) -> None:
        """Write a family whose lines are made already."""
        if not lines:
            return
        self._pieces.append(self._head(family))
        self._pieces.extend(lines)

    def histograms(self, family: Family, found: Iterable[tuple[str, str, Histogram]]) -> None:
        """Write a family of histograms as (name of the label, its value, histogram); an empty name for no label."""
        lines: list[str] = []
        for label, value, histogram in found:
            inner = f'{label}="{escape(value)}",' if label else ""
            outer = f"{{{inner[:-1]}}}" if label else ""
            count = 0
            for bound, fell in zip((*histogram.bounds, float("inf")), histogram.counts, strict=True):
                count += fell
                upper = "+Inf" if bound == float("inf") else repr(float(bound))
                lines.append(f'{family.name}_bucket{{{inner}le="{upper}"}} {count}\n')
            lines.append(f"{family.name}_count{outer} {count}\n")
            lines.append(f"{family.name}_sum{outer} {number(histogram.total)}\n")
        self.lines(family, lines)

    def body(self) -> bytes:
        """Return the page; no family may follow."""
        if self._openmetrics:
            self._pieces.append("# EOF\n")
        return "".join(self._pieces).encode("utf-8", "replace")

    def _head(self, family: Family) -> str:
        if not self._openmetrics:
            kind = _PLAIN_KINDS.get(family.kind, family.kind)
            return f"# HELP {family.sample} {family.help}\n# TYPE {family.sample} {kind}\n"
        unit = family.name.rpartition("_")[2]
        told = f"# UNIT {family.name} {unit}\n" if unit in _UNITS else ""
        return f"# HELP {family.name} {family.help}\n# TYPE {family.name} {family.kind}\n{told}"


def wants_openmetrics(accept: str) -> bool:
    """Tell which format a client's Accept header asks for: the newer only where it is named and not liked less."""
    liking: dict[str, float] = {}
    for part in accept.split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        liking[kind] = max(liking.get(kind, 0.0), _quality(parameters))
    newer = liking.get("application/openmetrics-text", 0.0)
    return newer > 0 and newer >= liking.get("text/plain", 0.0)


def _quality(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0
