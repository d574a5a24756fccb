"""`path/to/file.py:function`: a function of yours that returns the model. The file is run, with all that this means."""

import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from robustsuite.errors import UsageError
from robustsuite.process_wide import given_back
from robustsuite.records import Preprocessing

FORM = "path/to/file.py:function"


def accepts(reference: str) -> bool:
    """Whether the reference has `.py:` in it, or names a Python file without a function."""
    return ".py:" in reference or reference.endswith(".py")


def load(reference: str) -> tuple[Callable[..., Any], Preprocessing | None]:
    """What `function()` returns: images in [0, 1] to logits, normalisation inside. Its attribute `preprocessing` is honoured.

    Raises `UsageError` for a missing file or function, and for a function that raises or returns nothing callable.
    """
    path_text, _, function = reference.partition(".py:")
    path = Path(path_text.removesuffix(".py") + ".py").expanduser()
    if not function:
        raise UsageError(f"model {reference!r}: expected {FORM}, got no function; name the function that returns the model")
    if not path.is_file():
        raise UsageError(f"model {reference!r}: expected a Python file at {path}, got nothing there; check the path")
    spec = spec_from_file_location(f"robustsuite_model_{path.stem}", path.resolve())
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # so that classes of the file can be pickled and found by their module's name
    try:
        with given_back():
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise UsageError(f"model {reference!r}: {path} could not be run ({type(error).__name__}: {error})") from error
    build = getattr(module, function, None)
    if not callable(build):
        known = sorted(name for name, value in vars(module).items() if callable(value) and value.__module__ == spec.name)
        raise UsageError(f"model {reference!r}: expected a function {function!r} in {path}, which holds {', '.join(known) or 'none'}")
    try:
        with given_back():
            model = build()
    except (Exception, SystemExit) as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"model {reference!r}: {function}() in {path} raised {type(error).__name__}: {reason}") from error
    if not callable(model):
        raise UsageError(f"model {reference!r}: expected {function}() to return a model (images to logits), got {type(model).__name__}")
    own = getattr(model, "preprocessing", None)
    return model, own if isinstance(own, Preprocessing) else None
