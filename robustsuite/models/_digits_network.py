"""The network of the two bundled digit classifiers: four convolutions and a linear layer, small enough for any CPU."""

from torch import nn

from robustsuite.roles import Images, Logits

MEAN = 0.31  # of the training images' pixels, rounded
DEVIATION = 0.35  # of the training images' pixels, rounded


class DigitsNetwork(nn.Module):
    """RGB `[batch, 3, 32, 32]` in [0, 1] to logits `[batch, 10]`; 43,850 parameters.

    No dropout and no batch normalisation: it computes the same in training and in evaluation, and each image by itself.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 16, 5, stride=2, padding=2),  # 16 x 16
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1),  # 8 x 8, the resolution of the scans
            nn.ReLU(),
            nn.Conv2d(32, 32, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, stride=2, padding=1),  # 4 x 4
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(64 * 4 * 4, 10),
        )

    def forward(self, images: Images) -> Logits:
        """Logits in the order of the digits."""
        return self.layers((images - MEAN) / DEVIATION)
