"""Options, settings, plan: from the located tree to typed settings, or to everything that is wrong with it.

`options` THE list of options (`option`, `kinds` what can be said of one) · `settings` the outcome · `load` the one way
from a file to it · `build`, `daemon`, `programs`, `servers` section by section, with `reader`, `expand`, `environment`
· `plan` the difference between two settings · `exports` samples, schema, reference · `host` what must be asked of the
machine. Pure: nothing here reads a file or asks the system.
"""
