"""tmctl: how people talk to tmd.

Imports `tmd.wire` (and `tmd.tree` for its own configuration section); nothing else of tmd.
"""

__version__ = "0.1.0"
