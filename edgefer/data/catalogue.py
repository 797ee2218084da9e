"""What is known of each face set without loading it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgefer.data.labels import EXPRESSIONS


@dataclass(frozen=True)
class Dataset:
    """What is known of a face set without loading it.

    Attributes:
        name: the word before the colon.
        description: one sentence.
        licence: an SPDX name, or who decides.
        notice: provenance, and what the set is not good for.
        splits: images in each official split, 0 where the set at hand decides; empty where it has none.
        in_folder: whether the user has it in a folder, named after the colon.
        loader: the set whose loader reads it, where that is not its own name.
        classes: those it is reduced to; empty for all.
        published: split -> how many faces its publisher counts, one number for each form that goes round; the
            split is empty for a set without any.
        tested_on: the split that everybody reports on. AffectNet's publisher keeps the test faces, so there
            it is val, and nothing may be chosen with it.
        named: what a user's own folders or labels mean, as ``--classes`` says.
    """

    name: str
    description: str
    licence: str
    notice: str
    splits: Mapping[str, int] = field(default_factory=dict)
    in_folder: bool = True
    loader: str = ""
    classes: tuple[str, ...] = ()
    published: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    tested_on: str = "test"
    named: Mapping[str, str] = field(default_factory=dict)

    def address(self, split: str = "") -> str:
        """What to write for it on the command line."""
        if not self.in_folder:
            return f"{self.name}:{split or 'SPLIT'}"
        return f"{self.name}:PATH" + (f"@{split}" if split else "")


OWN = "yours"
RESEARCH = "research only, by agreement with the publisher"

DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            name="synthfer",
            description="rendered heads: 7 expressions, 5 yaws, studio and wild, 40 % of the wild covered",
            licence="CC0-1.0",
            notice="Rendered from MakeHuman/MPFB2 heads and Face Units by Mika Suominen, all CC0 1.0. "
            "Stylised faces: good for proving a pipeline, no evidence of accuracy on people.",
            splits={"train": 3920, "train-large": 21000, "val": 980, "test": 980, "eval": 3500},
            in_folder=False,
        ),
        Dataset(
            name="fer2013",
            description="pictures found by a search engine, grey, 48 x 48: 7 classes",
            licence="of the challenge it was made for",
            notice="Noisy labels; people agree with them in about two of three cases.",
            splits={"train": 28709, "val": 3589, "test": 3589},
            published={"train": (28709,), "val": (3589,), "test": (3589, 7178)},
        ),
        Dataset(
            name="ferplus",
            description="FER2013 with ten people's votes a face: 8 classes, soft labels",
            licence="labels MIT; the pictures are FER2013's",
            notice="Faces without a majority are left out, so figures are not FER2013's.",
            splits={"train": 0, "val": 0, "test": 0},
            published={"train": (25060,), "val": (3199,), "test": (3153,)},
        ),
        Dataset(
            name="rafdb",
            description="aligned faces in the wild, 100 x 100: 7 classes",
            licence=RESEARCH,
            notice="Two in five faces are happy: look at the mean recall too.",
            splits={"train": 12271, "test": 3068},
            published={"train": (12271,), "test": (3068,)},
        ),
        Dataset(
            name="kdef",
            description="70 people posing, 5 yaws, two sessions: 7 classes",
            licence=RESEARCH,
            notice="Posed, one studio. No official split: fold by subject.",
            published={"": (4900, 2940, 2938, 980)},
        ),
        Dataset(
            name="ckplus",
            description="peak frames of posed sequences and neutral first frames: 8 classes",
            licence=RESEARCH,
            published={"": (1308,)},
            notice="Posed; frames of a sequence nearly alike. No official split: fold by subject.",
        ),
        Dataset(
            name="ckplus7",
            description="the same without neutral: the 981 pictures that most papers report on",
            licence=RESEARCH,
            published={"": (981,)},
            notice="Posed; frames of a sequence nearly alike. No official split: fold by subject.",
            loader="ckplus",
            classes=(*EXPRESSIONS[:-1], "contempt"),
        ),
        Dataset(
            name="jaffe",
            description="ten women posing: 7 classes, 213 pictures",
            licence="non-commercial research, by the publisher's terms",
            notice="Ten people: no figure on it says much about others. Fold by subject.",
            published={"": (213,)},
        ),
        Dataset(
            name="affectnet",
            description="faces in the wild: 8 classes",
            licence=RESEARCH,
            notice="Classes are even in val and uneven in train; the publisher keeps the test faces.",
            splits={"train": 287651, "val": 4000},
            published={"train": (287651, 287568), "val": (4000, 3999)},
            tested_on="val",
        ),
        Dataset(
            name="affectnet7",
            description="the same without contempt",
            licence=RESEARCH,
            notice="Classes are even in val and uneven in train; the publisher keeps the test faces.",
            splits={"train": 283901, "val": 3500},
            published={"train": (283901,), "val": (3500,)},
            tested_on="val",
            loader="affectnet",
            classes=EXPRESSIONS,
        ),
        Dataset(
            name="csv",
            description="your own list: csv:FILE with columns path,label and, if you like, "
            "subject, yaw, occlusion, session, split",
            licence=OWN,
            notice="Nothing leaves this machine.",
        ),
        Dataset(
            name="folder",
            description="your own pictures: folder:PATH with one sub-folder a class",
            licence=OWN,
            notice="Nothing leaves this machine.",
        ),
    )
}
