"""What is known about each model of the zoo: one file a model, and no torch."""

IMAGENET_MEAN = (123.675, 116.28, 103.53)
"""Mean of ImageNet's R, G and B on the 0..255 scale."""

IMAGENET_STD = (58.395, 57.12, 57.375)
"""Their standard deviation."""
