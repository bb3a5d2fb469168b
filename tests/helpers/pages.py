"""What the tests in a real browser share: Chromium, a server on a free port, a smear to upload."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from importlib.util import find_spec

import numpy as np
import pytest
from drawn_fields import photographed
from pictures import write_image

CHROMIUM = next(
    (path for path in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if path),
    None,
)
NEEDED = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium"
    ),
    pytest.mark.skipif(
        find_spec("playwright") is None,
        reason="Playwright is not installed: pip install playwright",
    ),
]
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
WAIT_S = 180  # for a server, for words on a page: a limit for what never comes, also under load
CENTRES = [(60 + 90 * column, 60 + 80 * row) for row in range(3) for column in range(4)]  # x, y


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def served(command, address, folder, env=None):
    """A server with ``address``, started in ``folder`` by ``python -m command``."""
    with open(folder / "log", "wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", *command],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            cwd=folder,
        )
    try:
        _wait_for(address, server, folder / "log")
        yield
    finally:
        server.terminate()
        server.wait(WAIT_S)


def _wait_for(address, server, log):
    """Wait until a server answers at all."""
    ends = time.monotonic() + WAIT_S
    while time.monotonic() < ends and server.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=2).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"The server did not start:\n{log.read_text()[-2000:]}")


@contextmanager
def new_page():
    """An empty page in Chromium."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=1000 * WAIT_S)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 1000}, accept_downloads=True)
        page.set_default_timeout(1000 * WAIT_S)
        yield page
        browser.close()


def write_smear(path, more_bytes=0):
    """Twelve red cells of 37 pixels, the last of which is dark; ``more_bytes`` follow the PNG."""
    x, y = np.meshgrid(np.arange(400), np.arange(300))
    smear = np.full((300, 400, 3), 245, np.uint8)
    for centre in CENTRES:
        smear[np.hypot(x - centre[0], y - centre[1]) < 18.5] = (215, 150, 155)
    smear[np.hypot(x - CENTRES[-1][0], y - CENTRES[-1][1]) < 18.5] = (70, 30, 120)
    write_image(path, photographed(smear))
    # what follows the end of a PNG is ignored
    path.write_bytes(path.read_bytes() + bytes(more_bytes))
    return path
