"""How long the page of a large report takes to write, how large it is, and how long a browser takes to open it.

    python benchmarks/page.py [--repeats 5]

The report is of 10 models under 95 corrupted conditions and clean, with a check for every condition, differences from a baseline and tables
of classes; once without pictures, and once with 4 photos under each of the 19 corruptions. The photos are made up, and noisier than real
ones: their thumbnails are larger. Chromium opens each page from disk, again and again in one window; `dom interactive` is when the page
has been read, `ready` when its script is done.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # the example reports
from example_report import many_conditions

from robustsuite.reporting.html import to_html

FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
TIMES = "const entry = performance.getEntriesByType('navigation')[0];"
ASKED = f"{TIMES} return [entry.domInteractive, performance.getEntriesByName('ready')[0].startTime, entry.loadEventEnd]"


def main() -> None:
    """Write, open and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    with TemporaryDirectory() as folder:
        pages = {}
        print(f"{'10 models x 96 conditions':28}{'written, s':>12}{'bytes':>12}   (wanted: below 3 s, 1 MB without pictures, 3 MB with)")
        for name, pictures in (("no pictures", 0), ("4 photos x 19 corruptions", 4)):
            report = many_conditions(models=10, pictures=pictures)
            seconds, page = zip(*(timed(lambda report=report: to_html(report)) for _ in range(repeats)), strict=True)
            pages[name] = Path(folder) / f"{pictures}.html"
            pages[name].write_text(page[0], "utf-8")
            print(f"{name:28}{f'{seconds[0]:.2f}, {statistics.median(seconds[1:]):.2f}':>12}{len(page[0].encode()):12,}")
        print(f"\n{'opened in Chromium':28}{'dom interactive, ms':>20}{'ready, ms':>14}{'loaded, ms':>14}   (median; worst; below 1000)")
        for name, several in opened(pages, repeats, Path(folder)).items():
            columns = [f"{statistics.median(one):.0f}; {max(one):.0f}" for one in zip(*several, strict=True)]
            print(f"{name:28}{columns[0]:>20}{columns[1]:>14}{columns[2]:>14}")


def timed(write) -> tuple[float, str]:
    """Seconds, and what was written."""
    begun = time.perf_counter()
    page = write()
    return time.perf_counter() - begun, page


def opened(pages: dict[str, Path], repeats: int, folder: Path) -> dict[str, list[list[float]]]:
    """Milliseconds from asking for each page until it could be read, was ready and had been loaded, of every repeat."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in (*FLAGS, f"--user-data-dir={folder / 'browser'}"):
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))
    try:
        found = {name: [] for name in pages}
        for _ in range(repeats):
            for name, page in pages.items():
                browser.get("about:blank")
                browser.get(page.as_uri())
                found[name].append(browser.execute_script(ASKED))
        return found
    finally:
        browser.quit()


if __name__ == "__main__":
    main()
