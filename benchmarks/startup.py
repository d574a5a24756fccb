"""What the plugin costs every run of pytest that asks for no suite: importing it, in a fresh process each time.

python benchmarks/startup.py [--repeats 9]
"""

import argparse
import statistics
import subprocess
import sys

PROGRAM = """
import time
begun = time.perf_counter()
import pytest
between = time.perf_counter()
import robustsuite.pytest_plugin
print(between - begun, time.perf_counter() - between)
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=9)
    repeats = parser.parse_args().repeats
    answers = [subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout for _ in range(repeats)]
    own, plugin = (statistics.median(1000 * float(answer.split()[place]) for answer in answers) for place in (0, 1))
    print(f"import pytest {own:.1f} ms, the plugin {plugin:.1f} ms more (medians of {repeats}; wanted: below 20 ms)")


if __name__ == "__main__":
    main()
