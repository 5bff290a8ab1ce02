"""What there is to measure and whom: found by name, so that a turn in a process of its own finds the same."""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.measurements.base import Measurement
from bench.subjects.base import Subject


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Where both are, as `module:name`."""

    measurements: str = "bench.measurements:ALL"
    """a sequence of measurements"""
    kinds: str = "bench.subjects:KINDS"
    """a mapping from names to subjects"""

    def measured(self) -> dict[str, Measurement]:
        """Return the measurements by key, in their order."""
        found: Sequence[Measurement] = _named(self.measurements)
        return {measurement.key: measurement for measurement in found}

    def subjects(self) -> Mapping[str, type[Subject]]:
        """Return the subjects by name, in their order."""
        found: Mapping[str, type[Subject]] = _named(self.kinds)
        return found


def _named(reference: str) -> Any:
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)
