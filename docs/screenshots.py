"""Take the pictures of the pages that the documentation shows: `python docs/screenshots.py` writes docs/images/*.png.

A daemon with programs that do something is started, its pages are opened in the browser that the tests use, and what
is seen is stored, with as few colours as look the same.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, ViewportSize, sync_playwright

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT))

from tests.browser.fetched_browser import chromium  # noqa: E402
from tests.clients.free import free_port  # noqa: E402

IMAGES = HERE / "images"
WATCHED_S = 45.0
"""so long the graphs have time to grow"""
SETTLE_MS = 2500
"""after a page was opened: its figures have come"""
MOST_BYTES = 150 * 1024

BUSY = """import math, random, sys, time
rows, load = [], float(sys.argv[1])
words = ["GET /orders", "GET /orders/17", "POST /carts", "GET /health", "GET /users/me"]
hold = bytearray(int(sys.argv[2]) << 20)
turn = 0
while True:
    turn += 1
    until = time.process_time() + load * 0.1 * (1 + math.sin(turn / 25) + random.random()) / 2
    while time.process_time() < until: pass
    time.sleep(0.1)
    if turn % 12 == 0:
        colour, level = random.choice([(32, "INFO")] * 6 + [(33, "WARN"), (31, "ERROR")])
        ms = random.randint(2, 90)
        said = f"\\x1b[{colour}m{level:5}\\x1b[0m {random.choice(words)} \\x1b[1m{ms} ms\\x1b[0m"
        print(time.strftime("%F %T"), said, flush=True)
"""

CONFIG = """taskmaster:
  identifier: shop
  logfile: DIR/tmd.log
  pidfile: DIR/tmd.pid
  childlogdir: DIR
  statedir: DIR
  socket: DIR/s
  http: {port: "127.0.0.1:PORT", username: me, password: PASSWORD}
programs:
  api: {cmd: PYTHON busy.py 0.14 24, redirect_stderr: true, autorestart: unexpected}
  cache: {cmd: PYTHON busy.py 0.03 60}
  web: {cmd: PYTHON busy.py 0.05 12, numprocs: 4}
  worker: {cmd: PYTHON busy.py 0.09 35, numprocs: 2}
  mailer: {cmd: "sh -c 'echo cannot reach the relay >&2; exit 75'", startretries: 0}
  import: {cmd: "true", starttime: 0, autorestart: false}
  thumbnails: {cmd: sleep 600}
  report: {cmd: sleep 600, autostart: false}
  warmup: {cmd: sleep 600, starttime: 500}
"""

PICTURES: tuple[tuple[str, str, ViewportSize, bool], ...] = (
    ("dashboard", "", {"width": 1320, "height": 760}, False),
    ("dashboard-dark", "", {"width": 1320, "height": 760}, True),
    ("dashboard-phone", "", {"width": 390, "height": 844}, False),
    ("program", "program/api:api", {"width": 1320, "height": 900}, False),
    ("program-dark", "program/api:api", {"width": 1320, "height": 900}, True),
    ("program-phone-dark", "program/api:api", {"width": 390, "height": 844}, True),
    ("logs", "logs", {"width": 1320, "height": 600}, False),
)


def main() -> int:
    """Take all pictures; return the exit status."""
    with tempfile.TemporaryDirectory(prefix="tm") as name:
        place = Path(name)
        port, password = free_port(), os.urandom(8).hex()
        (place / "busy.py").write_text(BUSY)
        text = CONFIG.replace("DIR", name).replace("PORT", str(port)).replace("PASSWORD", password)
        (place / "shop.yaml").write_text(text.replace("PYTHON", f"{sys.executable} -S -E"))
        daemon = subprocess.Popen(
            [sys.executable, "-m", "tmd", "-n", "-s", "-c", "shop.yaml"],
            cwd=place,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        try:
            _take_all(f"http://127.0.0.1:{port}/", password, place)
        finally:
            daemon.terminate()
            daemon.wait()
    return 0


def _take_all(address: str, password: str, place: Path) -> None:
    IMAGES.mkdir(exist_ok=True)
    path, environment = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, env={**environment}, args=["--no-sandbox", "--force-color-profile=srgb"]
        )
        watcher = browser.new_context(http_credentials={"username": "me", "password": password}).new_page()
        while not (place / "s").exists():
            time.sleep(0.1)
        watcher.goto(address)
        watcher.locator("button[data-name=thumbnails][data-verb=stop]").click()
        watcher.wait_for_timeout(WATCHED_S * 1000)
        for name, page, size, dark in PICTURES:
            _take(browser, f"{address}{page}", password, name, size, dark=dark)
        browser.close()


def _take(browser: Browser, address: str, password: str, name: str, size: ViewportSize, *, dark: bool) -> None:
    context = browser.new_context(
        viewport=size,
        color_scheme="dark" if dark else "light",
        http_credentials={"username": "me", "password": password},
    )
    page = context.new_page()
    page.goto(address)
    page.wait_for_timeout(SETTLE_MS)
    target = IMAGES / f"{name}.png"
    page.screenshot(path=target)
    context.close()
    length = target.stat().st_size
    print(f"{target.relative_to(ROOT)}: {length} bytes")
    if length > MOST_BYTES:
        raise SystemExit(f"cannot keep {target.name}: {length} bytes are more than {MOST_BYTES}")


if __name__ == "__main__":
    raise SystemExit(main())
