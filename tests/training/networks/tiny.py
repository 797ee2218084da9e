"""A network small enough to train in a test, as a module that processes of a training can import."""

from __future__ import annotations

from torch import nn


class Tiny(nn.Module):
    """Two convolutions, with or without batch normalisation, and a classifier."""

    def __init__(self, classes: int, *, norm: bool) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=not norm),
            nn.BatchNorm2d(8) if norm else nn.Identity(),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, stride=2, padding=1),
            nn.ReLU(),
        )
        self.classify = nn.Linear(16, classes)

    def forward(self, images):
        return self.classify(self.features(images).mean((2, 3)))


def build(variant: str, classes: int) -> nn.Module:
    return Tiny(classes, norm=variant == "norm")
