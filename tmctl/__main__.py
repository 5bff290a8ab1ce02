"""`python -m tmctl`."""

import sys

from tmctl.cli import main

sys.exit(main())
