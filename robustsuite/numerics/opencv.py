"""OpenCV, which comes with the package `imagecorruptions`, and needs system libraries that a small container may lack."""

from functools import cache
from typing import Any

from robustsuite.errors import EvaluationError


@cache
def opencv() -> Any | None:
    """The module `cv2`, or None where it cannot be loaded."""
    try:
        import cv2
    except ImportError:
        return None
    return cv2


def opencv_to(purpose: str) -> Any:
    """The module `cv2`. Raises `EvaluationError` where it cannot be loaded, saying what it was wanted for."""
    if (cv2 := opencv()) is None:
        raise EvaluationError(f"expected OpenCV to {purpose}, got none that loads; install opencv-python or opencv-python-headless")
    return cv2
