"""How often a verdict flips when a suite is run again with another seed (other noise, other starts of attacks, another order of images).

    python benchmarks/flakiness.py [--suite quickstart] [--models digits-robust digits-standard] [--data NAME=FOLDER] [--runs 20]

Each run is made with `stop = "never"` and with `stop = "decided"`. A verdict flips where it is not the one that most runs with `never`
gave; the table also says how far the value moved, and what share of the images under conditions was shown.
"""

import argparse
import re
import time
from collections import Counter
from dataclasses import replace

import numpy as np

import robustsuite


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--suite", default="quickstart")
    parser.add_argument("--models", nargs="+", default=["digits-robust", "digits-standard"])
    parser.add_argument("--data", action="append", default=[])
    parser.add_argument("--runs", type=int, default=20)
    options = parser.parse_args()
    suite = robustsuite.load_suite(options.suite)
    data = dict(argument.split("=", 1) for argument in options.data)
    statuses: dict[str, dict[tuple[str, str], list[str]]] = {"never": {}, "decided": {}}
    values: dict[str, dict[tuple[str, str], list[float]]] = {"never": {}, "decided": {}}
    shares, seconds = [], {"never": 0.0, "decided": 0.0}
    for stop in statuses:
        judged = replace(suite, decision=replace(suite.decision, stop=stop))
        for seed in range(options.runs):
            begun = time.monotonic()
            report = robustsuite.evaluate(judged, options.models, data, seed=seed, shuffle=True)
            seconds[stop] += time.monotonic() - begun
            for verdict in report.verdicts:
                if verdict.gate:
                    place = verdict.model, verdict.check
                    statuses[stop].setdefault(place, []).append(verdict.status)
                    values[stop].setdefault(place, []).append(verdict.measurement.value if verdict.measurement else float("nan"))
            for note in report.notes:
                if found := re.search(r"\(([\d.]+)%\)", note):
                    shares.append(float(found[1]))
    usual = {place: Counter(found).most_common(1)[0][0] for place, found in statuses["never"].items()}
    flips = {stop: sum(one != usual[place] for place, each in found.items() for one in each) for stop, found in statuses.items()}
    told = options.runs * len(usual)
    print(f"{options.suite}, {options.runs} seeds, {len(usual)} verdicts each. Shown with `decided`: {np.mean(shares):.0f} % of the images")
    print(f"under conditions (mean), in {seconds['decided'] / seconds['never']:.2f} of the time.\n")
    print("| stop | verdicts | flipped | largest standard deviation of a value |\n|---|---|---|---|")
    for stop, flipped in flips.items():
        spread = max(float(np.std(found)) for found in values[stop].values())
        print(f"| {stop} | {told} | {flipped} ({flipped / told:.2%}) | {spread:.4f} |")
    for place, status in usual.items():
        odd = [one for stop in statuses for one in statuses[stop][place] if one != status]
        if odd:
            print(f"\n{place[1]} of {place[0]}: usually {status}, otherwise {dict(Counter(odd))}.")


if __name__ == "__main__":
    main()
