"""The site of these pages: `python -m sphinx -W -b html docs docs/_build`. Needs no network, and the built pages ask for none.

The reference is written first, from docstrings and the catalog, so that it cannot be out of date.
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import make_reference  # noqa: E402 - found by the line above

from robustsuite import __version__  # noqa: E402

make_reference.write(HERE / "reference")

project = "robustsuite"
author = "the authors of robustsuite"
copyright = "the authors of robustsuite, Apache-2.0"
version = release = __version__

extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]  # a page of a data set goes from its title to what is read
exclude_patterns = ["_build", "ci"]
html_theme = "furo"
html_title = "robustsuite"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_extra_path = ["ci"]
nitpicky = True
