import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from example_report import example_report, many_conditions

from robustsuite.reporting.html import to_html

pytestmark = pytest.mark.browser

BROWSER, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("reports")
    addresses = {}
    for name, report in {"example": example_report(), "large": many_conditions()}.items():
        (folder / f"{name}.html").write_text(to_html(report), "utf-8")
        addresses[name] = (folder / f"{name}.html").as_uri()
    return addresses


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    for program in (BROWSER, DRIVER):
        if not program.exists():
            pytest.skip(f"{program} is not installed")
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = str(BROWSER)
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('browser')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
    yield driver
    driver.quit()


def show(browser: Any, address: str, width: int, theme: str, script: bool) -> None:
    features = [{"name": "prefers-color-scheme", "value": theme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False})
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not script})
    browser.get_log("browser")
    browser.get_log("performance")
    browser.get(address)


@pytest.mark.parametrize("script", [True, False], ids=["javascript", "no javascript"])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("name", ["example", "large"])
def test_the_page_opens_from_disk(browser: Any, pages: dict[str, str], name: str, width: int, theme: str, script: bool) -> None:
    show(browser, pages[name], width, theme, script)
    assert browser.get_log("browser") == []
    scroll, client = browser.execute_script("return [document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert scroll <= client
    dark = browser.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(20, 22, 25)"
    assert dark == (theme == "dark")
    sentence = browser.find_element("css selector", ".verdict p")
    assert sentence.is_displayed()
    assert "of 11 checks" in sentence.text or "of 95 checks" in sentence.text
    assert sentence.rect["y"] + sentence.rect["height"] < 800


def test_the_page_asks_for_nothing_but_itself(browser: Any, pages: dict[str, str]) -> None:
    show(browser, pages["example"], 1280, "light", True)
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = {message["params"]["request"]["url"] for message in messages if message["method"] == "Network.requestWillBeSent"}
    assert pages["example"] in asked
    assert all(address.startswith("data:") for address in asked - {pages["example"]})


def test_a_dark_screen_still_prints_dark_on_white(browser: Any, pages: dict[str, str]) -> None:
    show(browser, pages["example"], 1280, "dark", True)
    features = [{"name": "prefers-color-scheme", "value": "dark"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": features})
    ink, paper = browser.execute_script("const style = getComputedStyle(document.body); return [style.color, style.backgroundColor]")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    assert (ink, paper) == ("rgb(29, 30, 34)", "rgb(255, 255, 255)")


def test_every_picture_is_drawn(browser: Any, pages: dict[str, str]) -> None:
    show(browser, pages["example"], 1280, "light", True)
    widths = browser.execute_script("return [...document.images].map(image => image.naturalWidth)")
    assert widths == [32] * 15


def test_text_stands_out_from_its_background(browser: Any, pages: dict[str, str]) -> None:
    """WCAG 2 contrast of at least 4.5, the strongest heat included, in both themes."""
    measure = """
        const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
        const channel = value => (value /= 255) <= .03928 ? value / 12.92 : ((value + .055) / 1.055) ** 2.4;
        const luminance = colour => {
            canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
            const [red, green, blue] = canvas.getImageData(0, 0, 1, 1).data;
            return .2126 * channel(red) + .7152 * channel(green) + .0722 * channel(blue);
        };
        const style = getComputedStyle(document.documentElement);
        const contrast = (one, other) => {
            const [low, high] = [one, other].map(name => luminance(style.getPropertyValue(name))).sort((a, b) => a - b);
            return (high + .05) / (low + .05);
        };
        const text = ['--ink', '--quiet', '--link', '--passed', '--failed', '--inconclusive', '--error'];
        return [...text.flatMap(name => [[name, contrast(name, '--paper')], [name, contrast(name, '--surface')]]),
                ['heat', contrast('--ink', '--heat')]];
    """
    for theme in ("light", "dark"):
        show(browser, pages["example"], 1280, theme, True)
        contrasts = browser.execute_script(measure)
        assert len(contrasts) == 15
        assert [pair for pair in contrasts if pair[1] < 4.5] == []
