"""Grow by a megabyte at a time up to argv[1] megabytes, then stay."""

import sys
import time

held = [bytes(range(256)) * 4096 for _ in range(int(sys.argv[1]))]
print("grown", flush=True)
time.sleep(3600)
