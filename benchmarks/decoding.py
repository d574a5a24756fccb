"""How often images are decoded: 21 conditions and 2 models must cost one decode for each image.

    python benchmarks/decoding.py [--folder FOLDER]

Counts the calls of `PIL.Image.open` in this process while `evaluate` runs. Needs the shared CIFAR-10 images and weights.
"""

import argparse
import os
from pathlib import Path

from PIL import Image

from robustsuite import planning, suite_files
from robustsuite.api import load_dataset, load_model
from robustsuite.evaluation import evaluate
from robustsuite.records import Preprocessing, Settings

SHARED = Path(os.environ.get("ROBUSTSUITE_SHARED", Path(__file__).parents[2] / "shared" / "data"))
SUITE = """
schema = 1
title = "decoding"
[data.images]
dataset = "image_folder"
[[check]]
name = "corruptions"
corruptions = ["gaussian_noise", "defocus_blur", "brightness", "contrast"]
"""


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, default=SHARED / "cifar10" / "images")
    options = parser.parse_args()
    dataset = load_dataset("image_folder", options.folder)
    models = [load_model(f"{SHARED / 'models.py'}:{name}") for name in ("cifar10_resnet20", "cifar10_resnet20_robust")]
    suite = suite_files.parse(SUITE, Path("decoding.toml"))
    plan = planning.plan(suite, {model.alias: suite.checks for model in models})
    opened: list[object] = []
    original = Image.open
    Image.open = lambda *arguments, **options: opened.append(arguments) or original(*arguments, **options)  # pyright: ignore
    for _ in evaluate(plan, models, {"images": dataset}, {}, Settings("cpu", workers=0), Preprocessing()):
        pass
    print(f"{len(dataset.ids)} images, {len(plan.conditions)} conditions, {len(models)} models: {len(opened)} files opened")
    print(f"decodes per image {len(opened) / len(dataset.ids):.3f} (wanted: 1)")


if __name__ == "__main__":
    main()
