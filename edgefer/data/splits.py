"""What folders and lists call the parts of a set: to learn from, to choose with, to test."""

from __future__ import annotations

import re
from collections.abc import Mapping

SPLITS: Mapping[str, str] = {
    **dict.fromkeys(("train", "training", "trainset", "fer2013train"), "train"),
    **dict.fromkeys(
        ("val", "valid", "validate", "validation", "valset", "dev", "devel", "development", "publictest",
         "fer2013valid"),
        "val",
    ),
    **dict.fromkeys(("test", "testing", "testset", "privatetest", "fer2013test"), "test"),
}  # fmt: skip
"""A split's name -> one of train, val, test; the test and validation names of FER2013 among them."""
UNCLEAR = (
    *("eval", "evaluation", "extra", "additional", "unlabeled", "unlabelled", "holdout", "heldout", "hold"),
    *("fold", "folds", "kfold", "split", "part", "cv", "subset", "trainval", "traintest"),
)
"""Words for parts of a set whose purpose they do not tell."""
BESIDE = (
    *(
        "set",
        "data",
        "dataset",
        "images",
        "image",
        "imgs",
        "pictures",
        "faces",
        "split",
        "aligned",
        "cropped",
    ),
    *("crops", "out", "up"),
)
"""Words beside a split's that change nothing."""


def split_of(word: str) -> str:
    """train, val or test, where ``word`` means one of them and nothing else; empty otherwise."""
    parts = [part for part in re.split(r"[\W_]+", word.casefold()) if part]
    while len(parts) > 1 and parts[-1] in BESIDE:
        parts.pop()
    return SPLITS.get(parts[0], "") if len(parts) == 1 else ""


def like_a_split(word: str) -> bool:
    """Whether ``word`` names a part of a set and no class, known or not: train, extra, fold1, test2."""
    parts = [part for part in re.split(r"[\W_\d]+", word.casefold()) if part]
    return (
        bool(parts)
        and all(part in SPLITS or part in UNCLEAR or part in BESIDE for part in parts)
        and any(part in SPLITS or part in UNCLEAR for part in parts)
    )
