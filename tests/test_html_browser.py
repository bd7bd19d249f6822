"""The page in a real browser: it looks and works as it says, with and without its script."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_f3dx._render._html import render
from tests import reports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytest_f3dx._review._model import Context, Report

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    "--disable-dev-shm-usage",  # 64 MB of it, as containers have, would be too little
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars"),
)
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER) and "F3DX_NEEDS_CHROMIUM" not in os.environ,
    reason="chromium and chromedriver are not installed: apt-get install chromium chromium-driver",
)


class Browser:
    """A headless Chromium that shows files from the disk."""

    def __init__(self, folder: Path) -> None:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        assert CHROMIUM
        assert DRIVER
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for flag in (*FLAGS, f"--user-data-dir={folder / 'profile'}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self._folder = folder
        self.driver = webdriver.Chrome(options=options, service=Service(DRIVER))
        self.driver.set_page_load_timeout(300)
        self.driver.set_script_timeout(300)

    def show(self, report: Report, *, context: Context = reports.CONTEXT) -> None:
        file = self._folder / "report.html"
        file.write_text(render(report, context), encoding="utf-8")
        self.driver.get("about:blank")
        self.driver.get(file.as_uri())

    def run(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(f"return {script}", *arguments)

    def until(self, script: str) -> None:
        """Wait for what the page does by itself, frame by frame."""
        self.driver.execute_async_script(
            "const done = arguments[0];"
            f"const look = () => ({script}) ? done() : requestAnimationFrame(look); look()"
        )

    def click(self, selector: str) -> None:
        self.driver.find_element("css selector", selector).click()

    def type(self, text: str) -> None:
        self.driver.switch_to.active_element.send_keys(text)

    def shown(self) -> list[str]:
        """Return the names of the tests that can be seen."""
        names: list[str] = self.run(
            "[...document.querySelectorAll('.test')].filter(t => t.checkVisibility())"
            ".map(t => t.querySelector('.name').textContent)"
        )
        return names

    def set_up(self, *, width: int = 1280, dark: bool = False, script: bool = True) -> None:
        send = self.driver.execute_cdp_cmd
        is_phone = width < 600
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": is_phone}
        send("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        send("Emulation.setEmulatedMedia", {"features": [scheme]})
        send("Emulation.setScriptExecutionDisabled", {"value": not script})


@pytest.fixture(scope="module")
def _one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    found = Browser(tmp_path_factory.mktemp("browser"))
    yield found
    found.driver.quit()


@pytest.fixture
def browser(_one: Browser) -> Iterator[Browser]:
    """Give the one browser of this module, and look into its console after the test."""
    _one.set_up()
    yield _one
    log: Callable[[str], list[dict[str, Any]]] = _one.driver.get_log
    assert not [entry for entry in log("browser") if entry["level"] == "SEVERE"]


# WCAG 2.2, 1.4.3: relative luminance of each text and of what is painted behind it.
CONTRAST = """(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const channel = (value) => (value / 255 <= 0.03928 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const behind = (element) => {
    const under = element.parentElement ? behind(element.parentElement) : [255, 255, 255];
    const [r, g, b, alpha] = rgba(getComputedStyle(element).backgroundColor);
    return [r, g, b].map((value, at) => (value * alpha + under[at] * (255 - alpha)) / 255);
  };
  const hasText = (element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  const texts = [...document.querySelectorAll("body *:not(script, title, .nl)")].filter(hasText);
  return texts.map((element) => {
    const style = getComputedStyle(element);
    const colour = rgba(element instanceof SVGElement ? style.fill : style.color);
    const [low, high] = [light(colour), light(behind(element))].sort((a, b) => a - b);
    return [(high + 0.05) / (low + 0.05), element.outerHTML.slice(0, 80)];
  }).sort((a, b) => a[0] - b[0])[0];
})()"""


@pytest.mark.parametrize("dark", [False, True])
def test_all_text_has_contrast(dark: bool, browser: Browser) -> None:
    """In both themes every text stands out from what is behind it by 4.5 to 1."""
    browser.set_up(dark=dark)
    browser.show(reports.FULL, context=replace(reports.CONTEXT, show_ignored=True))
    browser.run("document.querySelectorAll('details').forEach(d => { d.open = true })")
    least, where = browser.run(CONTRAST)
    assert least >= 4.5, where


ALL = ["tests/test_invoice.py::test_total", "tests/test_french.py::test_way", "tests/test_old.py::test_moved"]
FILES = ["cassettes/head.yaml", "cassettes/cut.yaml"]


def test_filter_by_test_and_kind(browser: Browser) -> None:
    """Typing and clicking leave what matches; the count is told; all can be had back."""
    browser.show(reports.FULL)
    assert browser.shown() == [*ALL, *FILES]
    browser.click("#filter")
    browser.type("test_ french")
    assert browser.shown() == ALL[1:2]
    assert browser.run("document.getElementById('count').textContent") == "1 of 5 tests"
    browser.type(" nonsense")
    assert browser.shown() == []
    browser.click("#reset")
    assert browser.shown() == [*ALL, *FILES]
    browser.click("[data-status=changed]")
    assert browser.shown() == [ALL[0], FILES[0]]
    browser.click("[data-status=renamed]")
    assert browser.shown() == [ALL[0], ALL[2], FILES[0]]
    assert browser.run("document.querySelector('[data-status=renamed]').ariaPressed") == "true"
    browser.click("[data-part=answer]")
    assert browser.shown() == [ALL[0]]


def test_sides_stand_beside_one_another_and_words_are_marked(browser: Browser) -> None:
    """Old is to the left of new at the same height; the marks have colours; on a phone one is below the other."""
    place = (
        "[...document.querySelectorAll('.sides:not(.one)')[0].children].map(e => e.getBoundingClientRect())"
    )
    browser.show(reports.FULL)
    old, new = browser.run(place)
    assert old["top"] == new["top"]
    assert old["right"] <= new["left"] + 1
    colours = browser.run(
        "['ins', 'del', 'body'].map(n => getComputedStyle(document.querySelector('.sides ' + n) || document.body).backgroundColor)"
    )
    assert len(set(colours)) == 3
    browser.set_up(width=390)
    browser.show(reports.FULL)
    old, new = browser.run(place)
    assert old["bottom"] <= new["top"] + 1
    assert browser.run("document.documentElement.scrollWidth <= innerWidth")


def test_pictures_are_shown(browser: Browser) -> None:
    """The pictures of both sides are decoded in the page."""
    browser.show(reports.FULL)
    browser.run("document.querySelectorAll('img').forEach(i => i.loading = 'eager')")
    sizes = browser.driver.execute_async_script(
        "const done = arguments[0]; const all = [...document.querySelectorAll('img')];"
        "Promise.all(all.map(i => i.decode())).then(() => done(all.map(i => [i.naturalWidth, i.naturalHeight])))"
    )
    assert sizes == [[60, 40], [60, 40]]


def test_themes(browser: Browser) -> None:
    """The system's theme is taken until one is chosen with the button, and the choice stays."""
    back = "getComputedStyle(document.body).backgroundColor"
    browser.show(reports.FULL)
    light = browser.run(back)
    browser.set_up(dark=True)
    dark = browser.run(back)
    assert dark != light
    browser.click("#theme")
    assert (browser.run("document.getElementById('theme').innerText"), browser.run(back)) == (
        "Theme: light",
        light,
    )
    browser.show(reports.EMPTY)
    assert browser.run(back) == light
    browser.set_up()
    browser.click("#theme")
    assert browser.run(back) == dark
    browser.click("#theme")
    assert browser.run(back) == light


def test_keyboard_alone_is_enough(browser: Browser) -> None:
    """Keys go from test to test, open and close one, and reach the filter; typing there is typing."""
    browser.show(reports.FULL)
    focused = "document.activeElement.closest('.test')?.querySelector('.name').textContent"
    browser.type("j")
    assert browser.run(focused) == ALL[0]
    browser.type("jj")
    assert browser.run(focused) == ALL[2]
    browser.type("k")
    assert browser.run(focused) == ALL[1]
    browser.type("\n")
    assert not browser.run("document.activeElement.parentElement.open")
    browser.type("/")
    browser.type("j")
    assert browser.run("document.getElementById('filter').value") == "j"
    assert browser.shown() == []
    browser.click("#reset")
    browser.type("\ue00c")  # Escape leaves the filter
    assert browser.run("document.activeElement === document.body")
    for button, opened in (("#close", 0), ("#open", 5)):
        browser.click(button)
        assert browser.run("document.querySelectorAll('.test[open]').length") == opened


def test_readable_without_script(browser: Browser) -> None:
    """Without JavaScript all is there, details open by themselves, and nothing is shown that would not work."""
    browser.set_up(script=False)
    browser.show(reports.long(9))
    seen = browser.driver.find_element("css selector", "body").text
    assert "tests/test_0.py::test_8" in seen
    assert "Filter" not in seen
    assert "Theme" not in seen
    browser.click(".test summary")
    assert "What is the sum" in browser.driver.find_element("css selector", ".test").text


def test_hostile_content_stays_text(browser: Browser) -> None:
    """Nothing in a cassette runs, loads or breaks out of its place."""
    browser.show(reports.hostile())
    assert browser.run("document.title").startswith("Cassettes, <script>")
    assert browser.run("document.querySelectorAll('script').length") == 1
    assert browser.run("document.querySelectorAll('main .test').length") == 2
    assert (
        browser.run(
            "performance.getEntriesByType('resource').filter(e => !e.name.startsWith('data:')).length"
        )
        == 0
    )


def test_policy_forbids_what_a_mistake_would_let_in(browser: Browser) -> None:
    """Even a script that got into the page would not run, and nothing could be sent."""
    browser.show(reports.EMPTY)
    browser.driver.execute_script(
        "const s = document.createElement('script'); s.textContent = 'window.owned = 1'; document.body.append(s)"
    )
    assert browser.run("window.owned") is None
    log: Callable[[str], list[dict[str, Any]]] = browser.driver.get_log
    until = time.monotonic() + 60
    while not (told := log("browser")) and time.monotonic() < until:  # it is told a moment later
        pass
    assert any("Content Security Policy" in entry["message"] for entry in told)


def test_thousand_tests(browser: Browser) -> None:
    """A page of a thousand tests can be filtered, and a link to one opens it, whatever was filtered."""
    browser.show(reports.long(1000))
    browser.click("#filter")
    browser.type("test_77")
    assert len(browser.shown()) == 11
    target = browser.run("document.querySelectorAll('.test')[500].id")
    browser.driver.get(f"{browser.driver.current_url}#{target}")
    browser.until("document.querySelector('.test[open]')")
    assert len(browser.shown()) == 1000
    assert browser.run("[...document.querySelectorAll('.test[open]')].map(t => t.id)") == [target]
    browser.until(
        "(t => 0 <= t && t < 200)(document.querySelector('.test[open]').getBoundingClientRect().top)"
    )
