"""The gallery in a real browser: Debian's chromium, driven by selenium."""

import re
import shutil
import socket
import threading
import time

import pytest
from ganzoo_gallery.app import Gallery
from ganzoo_gallery.run_index import RunIndex
from ganzoo_gallery.server import GalleryServer

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver: apt install chromium-driver"
)
TOKEN = "a-token-of-24-characters"
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--disable-dev-shm-usage",
)


@pytest.fixture(scope="module")
def address(runs_dir):
    """The address of a gallery that a thread serves."""
    index = RunIndex([runs_dir], interval_s=0.2)
    listener = socket.create_server(("127.0.0.1", 0))
    server = GalleryServer(Gallery(index, TOKEN))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/{TOKEN}/"
    server.should_exit = True
    thread.join(20)


@pytest.fixture(scope="module")
def browser():
    """A browser of the size of a phone."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    size = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    yield driver
    driver.quit()


def wait_for(browser, script, seconds=15):
    """Return the value of a script once it is true."""
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, seconds, 0.1).until(lambda b: b.execute_script(script))


def check_page(browser):
    """The page fits the phone, and every control has a name."""
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    unnamed = browser.execute_script(
        "return [...document.querySelectorAll('button,a[href],input,select')]"
        ".filter((e) => e.tabIndex >= 0 && !(e.textContent.trim() || e.getAttribute('aria-label')"
        " || e.labels?.[0]?.textContent.trim())).map((e) => e.outerHTML)"
    )
    assert unnamed == []


def test_runs_in_a_browser(browser, address, runs_dir, log_lines, write_run):
    browser.get(address)
    wait_for(browser, "return document.getElementById('count').textContent === '3 of 3 runs'")
    check_page(browser)
    browser.find_element("name", "text").send_keys("cgan")
    visible = "return [...document.querySelectorAll('.card:not([hidden])')].map(c=>c.dataset.name)"
    wait_for(browser, "return document.getElementById('count').textContent === '1 of 3 runs'")
    assert browser.execute_script(visible) == ["trained"]
    browser.find_element("name", "text").clear()
    browser.find_element("name", "text").send_keys(" ")

    started = time.monotonic()
    write_run(runs_dir / "late", step=2)
    wait_for(browser, "return document.getElementById('count').textContent === '4 of 4 runs'")
    assert time.monotonic() - started < 5

    for box in browser.find_elements("css selector", ".pick input")[:2]:
        browser.execute_script("arguments[0].click()", box)
    browser.execute_script("document.querySelector('#dock button').click()")
    wait_for(browser, "return location.pathname.endsWith('/compare')")
    check_page(browser)

    browser.get(address)
    wait_for(
        browser, "return document.querySelector('[data-name=late] h2 a')?.click() === undefined"
    )
    wait_for(browser, "return document.querySelector('.steps').textContent.startsWith('2 of 10')")
    time_origin = browser.execute_script("return performance.timeOrigin")
    log_lines(runs_dir / "late", range(3, 11), 10)
    wait_for(browser, "return document.querySelector('.badge').textContent === 'finished'")
    wait_for(browser, "return document.querySelector('#message').textContent.includes('finished')")
    assert browser.execute_script("return performance.timeOrigin") == time_origin  # no reload
    check_page(browser)
    shutil.rmtree(runs_dir / "late")
    errors = [entry["message"] for entry in browser.get_log("browser")]
    assert [e for e in errors if not re.search(r"favicon|/picture", e)] == []
