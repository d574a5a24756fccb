"""A toy world: green and red squares, models that tell them apart or break in every known way, and a suite."""

from pathlib import Path

TOY_MODELS = '''
import torch
from torch import nn

class Colour(nn.Module):
    """Two classes, green and red, told apart by the mean colour; `scale` sets how confident it is."""
    def __init__(self, scale=20.0):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale))
    def forward(self, images):
        mean = images.mean(dim=(2, 3))
        return self.scale * mean[:, [1, 0]]

def good(): return Colour().eval()
def other(): return Colour(5.0).eval()
def in_train_mode(): return Colour().train()
def blind(): return Constant()
def raising(): return Raising()
def nan(): return Wrapped(lambda logits: logits * float("nan"))
def probabilities(): return Wrapped(lambda logits: logits.softmax(dim=1))
def three_classes(): return Wrapped(lambda logits: torch.cat([logits, logits[:, :1]], dim=1))
def wrong_shape(): return Wrapped(lambda logits: logits[:, 0])
def a_tuple(): return Wrapped(lambda logits: (logits, logits))

class Wrapped(nn.Module):
    def __init__(self, change):
        super().__init__()
        self.inner, self.change = Colour(), change
    def forward(self, images): return self.change(self.inner(images))

class Constant(nn.Module):
    def forward(self, images): return torch.tensor([[3.0, -1.0]]).expand(len(images), 2) + 0 * images.mean(dim=(1, 2, 3))[:, None]

class Raising(nn.Module):
    def forward(self, images): raise ValueError("the weights are upside down")
'''

TOY_SUITE = """
schema = 1
title = "Toy"

[data.images]
dataset = "image_folder"

[[check]]
name = "clean"
at_least = 0.9

[[check]]
name = "blurred"
corruptions = ["defocus_blur"]
severities = [1, 3]
at_least = 0.9

[[check]]
name = "impossible"
attack = "fgsm"
epsilon = "200/255"
at_least = 0.9
"""


class Toy:
    """Green and red squares with a little noise, 16 x 16."""

    def __init__(self, folder: Path, per_class: int = 6):
        import numpy as np
        from PIL import Image

        self.folder, self.images = folder, folder / "images"
        generator = np.random.default_rng(0)
        for channel, name in ((1, "green"), (0, "red")):
            (self.images / name).mkdir(parents=True)
            for number in range(per_class):
                pixels = generator.integers(0, 60, (16, 16, 3), dtype=np.uint8)
                pixels[:, :, channel] += 120
                Image.fromarray(pixels).save(self.images / name / f"{number}.png")
        (folder / "models.py").write_text(TOY_MODELS)
        self.write_suite("toy", TOY_SUITE)

    def write_suite(self, name: str, text: str) -> Path:
        """Put a suite where it is found by name from this folder."""
        (self.folder / "suites").mkdir(exist_ok=True)
        path = self.folder / "suites" / f"{name}.toml"
        path.write_text(text)
        return path

    def reference(self, function: str = "good") -> str:
        """A model reference."""
        return f"{self.folder / 'models.py'}:{function}"

    def arguments(self, *more: str, suite: str = "toy", model: str = "good") -> list[str]:
        """A command line for pytest."""
        return ["--suite", suite, "--model", self.reference(model), "--data", f"images={self.images}", *more]
