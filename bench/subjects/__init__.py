"""The supervisors that can be measured, by name, in the order of the tables."""

from bench.subjects.base import Subject
from bench.subjects.circus import Circus
from bench.subjects.limit import Limit
from bench.subjects.pm2 import Pm2
from bench.subjects.runit import Runit
from bench.subjects.s6 import S6
from bench.subjects.supervisor import Supervisor
from bench.subjects.tmd import Tmd

KINDS: dict[str, type[Subject]] = {kind.name: kind for kind in (Tmd, Supervisor, Circus, Pm2, Runit, S6, Limit)}
