import base64
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from example_report import example_report, many_conditions
from test_page import NASTY, named

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
    hostile = {f"hostile {number}": named(name) for number, name in enumerate(NASTY)}
    for name, report in {"example": example_report(), "large": many_conditions(), **hostile}.items():
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


def show(browser: Any, address: str, width: int = 1280, theme: str = "light", script: bool = True, forced: str = "none") -> None:
    asked = {"prefers-color-scheme": theme, "forced-colors": forced, "prefers-reduced-motion": "reduce"}
    features = [{"name": name, "value": value} for name, value in asked.items()]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False})
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not script})
    browser.get_log("browser")
    browser.get_log("performance")
    browser.get("about:blank")  # an address that differs in its fragment only would not be opened anew
    browser.get(address)


def look(browser: Any, expression: str) -> Any:
    """What an expression of the page's own language comes to."""
    return browser.execute_script(f"return {expression}")


def shown_checks(browser: Any) -> list[str]:
    """The names in the table of checks, as they stand, those that are hidden left out."""
    return look(browser, "[...document.querySelectorAll('.checks tbody tr:not([hidden]) th a')].map(one => one.textContent)")


def by_name(browser: Any, selector: str, words: str) -> Any:
    return next(one for one in browser.find_elements("css selector", selector) if one.text.startswith(words))


def press(browser: Any, *keys: str) -> None:
    from selenium.webdriver import ActionChains

    ActionChains(browser).send_keys(*keys).perform()


def is_in_view(browser: Any, element: Any) -> bool:
    return browser.execute_script(
        "const box = arguments[0].getBoundingClientRect(); return box.top >= 0 && box.bottom <= innerHeight", element
    )


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
    widths = "[...document.querySelectorAll(arguments[0])].map(image => image.naturalWidth)"
    assert browser.execute_script(f"return {widths}", "img:not(.over)") == [32] * (15 + 12)  # and differences from the clean ones
    assert browser.execute_script(f"return {widths}", "img.over") == [8] * 6  # where two models looked in three pictures


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
                ...['--heat', '--gain', '--marked'].map(name => [name, contrast('--ink', name)])];
    """
    for theme in ("light", "dark"):
        show(browser, pages["example"], 1280, theme, True)
        contrasts = browser.execute_script(measure)
        assert len(contrasts) == 17
        assert [pair for pair in contrasts if pair[1] < 4.5] == []


# ------------------------------------------------------------------------------------------------------ without script


def test_without_script_nothing_is_missing_and_nothing_is_dead(browser: Any, pages: dict[str, str]) -> None:
    texts = {}
    for script in (True, False):
        show(browser, pages["example"], script=script)
        assert len(browser.find_elements("css selector", "button, input, select, dialog")) > 30 if script else True
        texts[script] = [
            row.text for row in browser.find_elements("css selector", ".checks tbody tr, .changes tbody tr, .heatmap tbody tr")
        ]
    assert texts[False] == texts[True]
    assert browser.find_elements("css selector", "button, input, select, dialog") == []


def test_without_script_a_link_still_leads_to_its_row(browser: Any, pages: dict[str, str]) -> None:
    show(browser, f"{pages['example']}#check=sharpness", script=False)
    row = browser.find_element("css selector", "tr:target")
    assert row.text.startswith("sharpness")
    assert is_in_view(browser, row)


# ------------------------------------------------------------------------------------------------- sort, filter, links


def test_checks_are_filtered_by_words_and_by_standing(browser: Any, pages: dict[str, str]) -> None:
    show(browser, pages["example"])
    everything = shown_checks(browser)
    box = browser.find_element("css selector", "input[type=search]")
    box.send_keys("WORST accuracy")
    assert shown_checks(browser) == ["contrast-worst", "blur-worst"]
    assert "2 of 12 checks" in browser.find_element("css selector", ".tools").text
    failed = by_name(browser, ".toggle", "failed")
    failed.click()
    assert failed.get_attribute("aria-pressed") == "true"
    assert shown_checks(browser) == ["contrast-worst"]
    box.send_keys("\ue003" * len("WORST accuracy"))  # backspace
    assert shown_checks(browser) == ["contrast-worst", "pgd-linf-8", "pgd-l2-half"]
    by_name(browser, ".toggle", "error").click()
    assert shown_checks(browser) == ["contrast-worst", "pgd-linf-8", "pgd-l2-half", "blur-worst"]
    for toggle in ("failed", "error"):
        by_name(browser, ".toggle", toggle).click()
    assert shown_checks(browser) == everything
    assert len(everything) == 12


def test_measurements_are_filtered_by_words(browser: Any, pages: dict[str, str]) -> None:
    show(browser, f"{pages['example']}#condition=digits/clean")
    box = browser.find_elements("css selector", "input[type=search]")[1]
    box.send_keys("severity 3 robust")
    rows = [row.text for row in browser.find_elements("css selector", ".measurements tbody tr") if row.is_displayed()]
    assert [row.split(",")[0] for row in rows] == ["gaussian noise", "defocus blur", "brightness", "contrast"]


def test_columns_are_sorted_by_mouse_and_keyboard(browser: Any, pages: dict[str, str]) -> None:
    show(browser, pages["example"])
    everything = shown_checks(browser)
    name, _, robust, standard = browser.find_elements("css selector", ".checks thead button")
    name.click()
    assert shown_checks(browser) == sorted(everything)
    heads = look(browser, "[...document.querySelectorAll('.checks thead th')].map(head => head.getAttribute('aria-sort'))")
    assert heads == ["ascending", None, None, None]
    name.send_keys("\ue007")  # enter
    assert shown_checks(browser) == sorted(everything, reverse=True)
    name.send_keys(" ")
    assert shown_checks(browser) == everything
    robust.click()
    values = look(browser, "[...document.querySelectorAll('.checks tbody td:nth-child(3) b')].map(one => parseFloat(one.textContent))")
    assert values == sorted(values)
    standard.click()
    assert shown_checks(browser)[-1] == "blur-worst"  # what has no value comes last
    standard.click()
    assert shown_checks(browser)[-1] == "blur-worst"
    assert shown_checks(browser)[0] == "clean"


@pytest.mark.parametrize("spelt", ["check=digits/corruption 3-2", "check=x%20y"])
def test_a_link_to_nothing_is_no_error(browser: Any, pages: dict[str, str], spelt: str) -> None:
    show(browser, f"{pages['example']}#{spelt}")
    assert browser.get_log("browser") == []
    assert look(browser, "performance.getEntriesByName('ready').length") == 1


def test_a_link_leads_to_its_check_through_filters_and_back(browser: Any, pages: dict[str, str]) -> None:
    show(browser, pages["example"])
    browser.find_element("css selector", "input[type=search]").send_keys("nothing like it")
    assert shown_checks(browser) == []
    by_name(browser, ".card a", "pgd-l2-half").click()
    row = browser.find_element("css selector", "tr:target")
    assert row.text.startswith("pgd-l2-half")
    assert is_in_view(browser, row)
    assert len(shown_checks(browser)) == 12
    assert browser.current_url.endswith("#check=pgd-l2-half")
    browser.execute_script("location.hash = 'check=clean'")
    assert browser.find_element("css selector", "tr:target").text.startswith("clean")
    browser.back()
    assert browser.find_element("css selector", "tr:target").text.startswith("pgd-l2-half")


@pytest.mark.parametrize("spelt", ["imagenet/corruption_3-2 stays above a third", "imagenet%2Fcorruption_3-2%20stays%20above%20a%20third"])
def test_a_link_is_found_however_it_is_spelt(browser: Any, pages: dict[str, str], spelt: str) -> None:
    show(browser, f"{pages['large']}#check={spelt}")
    row = browser.find_element("css selector", "tr:target")
    assert row.text.startswith("imagenet/corruption_3-2 stays above a third")
    assert is_in_view(browser, row)


def test_a_link_to_a_condition_unfolds_what_it_is_in(browser: Any, pages: dict[str, str]) -> None:
    show(browser, f"{pages['example']}#condition=digits/pgd linf 8/255 steps=20")
    row = browser.find_element("css selector", "tr:target")
    assert row.text.startswith("pgd L∞ 8/255, steps=20 digits digits-robust")
    assert is_in_view(browser, row)


# ---------------------------------------------------------------------------------------------- heatmaps, pictures


def heat(browser: Any, number: int) -> list[list[str]]:
    rows = f"[...document.querySelectorAll('.heatmap')[{number}].querySelectorAll('tbody tr')]"
    return look(browser, f"{rows}.map(row => [...row.cells].map(cell => cell.textContent.trim()))")


def test_a_heatmap_shows_accuracy_what_was_lost_and_the_difference_from_another_model(browser: Any, pages: dict[str, str]) -> None:
    from selenium.webdriver.support.select import Select

    show(browser, pages["example"])
    accuracies = heat(browser, 0), heat(browser, 1)
    assert accuracies[1][1] == ["gaussian noise", "91.3", "82.6", "72.3", "61.0", "48.7", "71.2"]
    choice = Select(browser.find_element("id", "heat-view"))
    assert [option.text for option in choice.options] == [
        "accuracy", "lost against clean", "against the baseline", "against digits-robust", "against digits-standard",
    ]  # fmt: skip
    choice.select_by_index(1)
    assert heat(browser, 1)[1] == ["gaussian noise", "6.0", "14.7", "25.0", "36.3", "48.6", "26.1"]
    assert heat(browser, 1)[2][5] == "! logits of image digit-1204 are not finite"
    assert "points of accuracy lost" in browser.find_element("id", "heat-words").text
    choice.select_by_index(3)
    assert heat(browser, 1)[1][1:6] == ["−2.9", "−8.6", "−15.3", "−22.6", "−30.6"]
    assert heat(browser, 1)[0] == ["none (clean)", "+1.0", "+1.0"]
    assert {cell for row in heat(browser, 0) for cell in row[1:]} == {"0.0"}
    choice.select_by_index(0)
    assert (heat(browser, 0), heat(browser, 1)) == accuracies
    assert browser.get_log("browser") == []


def test_a_heatmap_shows_the_difference_from_the_baseline(browser: Any, pages: dict[str, str]) -> None:
    from selenium.webdriver.support.select import Select

    show(browser, pages["example"])
    accuracies = heat(browser, 0), heat(browser, 1)
    choice = Select(browser.find_element("id", "heat-view"))
    choice.select_by_visible_text("against the baseline")
    assert heat(browser, 1)[0] == ["none (clean)", "+1.5", "+1.5"]
    assert heat(browser, 1)[1] == ["gaussian noise", *["−2.8"] * 6]
    assert heat(browser, 1)[2] == ["defocus blur", *["–"] * 4, "! logits of image digit-1204 are not finite", "–"]
    assert heat(browser, 1)[3] == ["brightness", *["0.0"] * 6]
    assert {cell for row in heat(browser, 0) for cell in row[1:]} == {"–"}  # of this model nothing is known from before
    assert "more (+, higher) or less (−, lower) than the baseline" in browser.find_element("id", "heat-words").text
    choice.select_by_index(0)
    assert (heat(browser, 0), heat(browser, 1)) == accuracies


def test_without_script_the_difference_from_the_baseline_is_a_table(browser: Any, pages: dict[str, str]) -> None:
    show(browser, pages["example"], script=False)
    browser.find_element("css selector", ".heatmaps details summary").click()
    rows = [row.text.split() for row in browser.find_elements("css selector", ".against tbody tr")]
    assert rows[0] == ["none", "(clean)", "+1.5", "higher"]
    assert rows[1] == ["gaussian", "noise", *["−2.8", "lower"] * 6]
    assert rows[3] == ["brightness", *["0.0", "same"] * 6]


def test_the_heatmaps_of_a_data_set_are_sorted_alike(browser: Any, pages: dict[str, str]) -> None:
    show(browser, pages["example"])
    by_name(browser, ".heatmap thead button", "5").click()
    orders = [[row[0] for row in heat(browser, number)] for number in (0, 1)]
    assert orders[0] == ["none (clean)", "contrast", "gaussian noise", "defocus blur", "brightness"]
    assert orders[1] == orders[0]


def test_a_picture_is_enlarged_and_the_focus_returns(browser: Any, pages: dict[str, str]) -> None:
    show(browser, pages["example"])
    openers = browser.find_elements("css selector", ".enlarge")
    assert len(openers) == 27
    openers[2].send_keys("\ue007")  # enter
    dialog = browser.find_element("css selector", "dialog")
    assert dialog.is_displayed()
    assert "digit-0912, gaussian_noise-3: difference from clean, times 2" in dialog.text
    assert look(browser, "document.querySelector('dialog img').clientWidth") > 300
    press(browser, "\ue014")  # right arrow
    assert "digit-0912, contrast-4" in dialog.text
    assert "digits-standard" in dialog.text
    press(browser, "\ue00c")  # escape
    assert not dialog.is_displayed()
    assert browser.switch_to.active_element == openers[2]


COVERED = """
    const [over, picture] = [...arguments].map(one => one.getBoundingClientRect());
    return ["left", "top", "width", "height"].every(side => Math.abs(over[side] - picture[side]) < 1.5);
"""


@pytest.mark.parametrize("script", [True, False], ids=["javascript", "no javascript"])
def test_where_a_model_looked_lies_over_the_picture_when_it_is_asked_for(browser: Any, pages: dict[str, str], script: bool) -> None:
    show(browser, pages["example"], script=script)
    (view, *_) = (one for one in browser.find_elements("css selector", ".view") if one.find_elements("css selector", ".over"))
    over, _ = view.find_elements("css selector", ".over")
    assert not over.is_displayed()
    summary, _ = view.find_elements("css selector", "summary")
    assert summary.text == "where digits-robust looked"
    summary.click()
    assert over.is_displayed()
    assert browser.execute_script(COVERED, over, view.find_element("css selector", "img"))


def test_where_a_model_looked_is_shown_in_the_enlarged_picture_too(browser: Any, pages: dict[str, str]) -> None:
    show(browser, pages["example"])
    by_name(browser, ".view summary", "where digits-robust").find_element("xpath", "ancestor::figure//button").click()
    dialog = browser.find_element("css selector", "dialog")
    dialog.find_element("css selector", "summary").click()
    over, large = dialog.find_element("css selector", ".over"), dialog.find_element("css selector", "img:not(.over)")
    assert over.is_displayed()
    assert browser.execute_script(COVERED, over, large)


# ------------------------------------------------------------------------------------------------ for every reader


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_nothing(browser: Any, pages: dict[str, str], width: int, theme: str) -> None:
    found = importlib.util.find_spec("axe_core_python")
    if found is None or found.origin is None:
        pytest.skip("axe_core_python is not installed")
    show(browser, pages["example"], width, theme)
    browser.execute_script("for (const fold of document.querySelectorAll('details')) fold.open = true")
    browser.execute_script((Path(found.origin).parent / "axe.min.js").read_text("utf-8"))
    result = browser.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
    told = [
        (one["id"], one["impact"], [(node["html"][:160], node["failureSummary"][:300]) for node in one["nodes"][:3]])
        for one in result["violations"]
    ]
    assert told == []
    assert len(result["passes"]) > 25


def test_forced_colours_keep_every_word(browser: Any, pages: dict[str, str]) -> None:
    show(browser, pages["example"], forced="active")
    assert look(browser, "matchMedia('(forced-colors: active)').matches")
    grey = look(browser, "getComputedStyle(document.querySelector('.heat')).backgroundColor")
    assert grey == look(browser, "getComputedStyle(document.body).backgroundColor")
    assert by_name(browser, ".checks td", "✗ failed").is_displayed()


def test_the_page_can_be_printed(browser: Any, pages: dict[str, str]) -> None:
    show(browser, pages["example"])
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})
    assert base64.b64decode(printed["data"]).startswith(b"%PDF")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": []})
    hidden = look(browser, "[...document.querySelectorAll('.tools, nav, footer')].every(one => getComputedStyle(one).display === 'none')")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    assert hidden


def test_nothing_runs_that_is_not_the_pages_own(browser: Any, pages: dict[str, str]) -> None:
    """The policy refuses a script and a style that the page did not come with."""
    show(browser, pages["example"])
    browser.execute_script(
        "const one = document.createElement('script'); one.textContent = 'document.title = 1'; document.body.append(one);"
        "const other = document.createElement('style'); other.textContent = 'body {display: none}'; document.body.append(other);"
    )
    assert browser.title != "1"
    assert look(browser, "getComputedStyle(document.body).display") == "block"
    assert len([entry for entry in browser.get_log("browser") if "Content Security Policy" in entry["message"]]) == 2


@pytest.mark.parametrize("number", range(len(NASTY)))
def test_a_hostile_name_runs_nothing_and_fits_on_a_phone(browser: Any, pages: dict[str, str], number: int) -> None:
    show(browser, pages[f"hostile {number}"], width=360)
    assert browser.get_log("browser") == []
    assert browser.title not in ("owned", "1")
    assert len(browser.find_elements("css selector", "script")) == 1
    assert browser.find_elements("css selector", "img:not([src^='data:image/'])") == []
    browser.execute_script("for (const fold of document.querySelectorAll('details')) fold.open = true")
    scroll, client = look(browser, "[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert scroll <= client
    assert look(browser, "performance.getEntriesByName('ready').length") == 1


@pytest.mark.parametrize("first", ["\u202e", "ש"])
def test_a_name_that_is_read_from_the_right_leaves_its_neighbours_alone(browser: Any, pages: dict[str, str], first: str) -> None:
    show(browser, pages[f"hostile {[name[0] for name in NASTY].index(first)}"])
    sentence = browser.find_element("css selector", ".verdict p")
    places = browser.execute_script(
        "const words = document.createRange(), text = arguments[0].lastChild; words.selectNodeContents(text);"
        "const name = arguments[0].querySelector('bdi').getBoundingClientRect(); return [name.right, words.getBoundingClientRect().left]",
        sentence,
    )
    assert places[0] <= places[1] + 1  # the name first, then what is said of it
