"""What is measured, in the order of the report."""

from bench.measurements.base import Measurement
from bench.measurements.control import Control
from bench.measurements.crash import Crash
from bench.measurements.cycles import Cycles
from bench.measurements.idle import Idle
from bench.measurements.lines import Lines
from bench.measurements.logs import Logs
from bench.measurements.reach import Reach
from bench.measurements.reload import Reload
from bench.measurements.rpc import Questions
from bench.measurements.scale import Scale
from bench.measurements.slow_stop import SlowStop
from bench.measurements.storm import Storm

ALL: tuple[Measurement, ...] = (
    Crash(),
    Storm(),
    Scale(),
    SlowStop(),
    Idle(),
    Logs(),
    Lines(),
    Questions(),
    Control(),
    Cycles(),
    Reach(),
    Reload(),
)
