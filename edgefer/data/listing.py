"""What a loader finds in a folder before a single picture is decoded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from edgefer.data.pictures import Picture
from edgefer.data.splits import split_of
from edgefer_runtime.errors import DataError, UsageError

EXAMPLES = 3
"""Shown of each kind of problem."""


class Face(NamedTuple):
    """One labelled picture; what a set does not know of its faces is None for all of them.

    Attributes:
        picture: where its pixels are.
        label: the class, by name.
        split: of the set's own splits; empty where it has none.
        subject: who it is, the same word in all pictures of one person.
        yaw: degrees, positive when the face turns to the right of the picture (the person's left).
        session, occlusion, pose: words; faces with the same word are reported together.
        votes: the share of each class, in the order of the set's classes.
    """

    picture: Picture
    label: str
    split: str = ""
    subject: str | None = None
    yaw: float | None = None
    session: str | None = None
    occlusion: str | None = None
    pose: str | None = None
    votes: tuple[float, ...] | None = None


@dataclass
class Problem:
    """One kind of thing that is wrong, with how often and the first examples.

    Attributes:
        what: in words, in the plural.
        refused: whether loading refuses the set for it.
        action: what to do.
        count: how often it was met.
        examples: at most three.
    """

    what: str
    refused: bool
    action: str
    count: int = 0
    examples: list[str] = field(default_factory=list)


class Problems:
    """Collects problems, so that a user hears of all of them at once and not of the first a run."""

    def __init__(self) -> None:
        self.found: dict[str, Problem] = {}

    def refuse(self, what: str, example: str, action: str) -> None:
        """Note something for which loading is refused."""
        self._note(Problem(what, True, action), example)

    def warn(self, what: str, example: str, action: str = "") -> None:
        """Note something that a user should know."""
        self._note(Problem(what, False, action), example)

    def _note(self, problem: Problem, example: str) -> None:
        problem = self.found.setdefault(problem.what, problem)
        problem.count += 1
        if len(problem.examples) < EXAMPLES:
            problem.examples.append(readable(example))


def readable(name: str) -> str:
    """A file's or class's name with everything in it that a terminal would act on made visible."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in name
    )


class Gathered:
    """Faces as a list names them, each picture once.

    Attributes:
        faces: in the list's order.
        problems: what was wrong with them.
    """

    def __init__(self, problems: Problems) -> None:
        self.faces: list[Face] = []
        self.problems = problems
        self._labels: dict[Picture, str] = {}

    def add(self, face: Face) -> None:
        """Take a face, unless its picture was there before."""
        label = self._labels.setdefault(face.picture, face.label)
        if label != face.label:
            both = f"{face.picture.name} ({label} and {face.label})"
            self.problems.refuse("pictures listed with two labels", both, "keep the right line")
        elif len(self._labels) == len(self.faces):
            self.problems.warn("pictures listed twice", face.picture.name, "each is loaded once")
        else:
            self.faces.append(face)


@dataclass(frozen=True)
class Listing:
    """The faces of a set as its files list them.

    Attributes:
        name: the loader's name.
        path: the folder or file.
        layout: which of the set's published forms it was recognised as.
        classes: class names in order.
        faces: all of them, in the order of the set's own lists.
        splits: names of the official splits; empty where the set has none.
        left_out: what the set holds on purpose beside faces with a class, and how many.
        problems: what is wrong.
        words: what folders or lists call the classes -> class, where they are a user's own; "" is left out.
    """

    name: str
    path: Path
    layout: str
    classes: tuple[str, ...]
    faces: Sequence[Face]
    splits: tuple[str, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    problems: Problems = field(default_factory=Problems)
    words: Mapping[str, str] = field(default_factory=dict)

    def only(self, classes: Collection[str]) -> Listing:
        """The faces of some of the classes; votes are dropped, for they were cast among all."""
        kept = [face._replace(votes=None) for face in self.faces if face.label in classes]
        others = Counter(face.label for face in self.faces if face.label not in classes)
        return replace(
            self,
            classes=tuple(name for name in self.classes if name in classes),
            faces=kept,
            left_out={**self.left_out, **others},
        )

    def of_split(self, split: str) -> Listing:
        """The faces of one split; all for the empty word.

        Raises:
            UsageError: the set has no such split.
        """
        split = self.canonical(split)
        if split and split not in self.splits:
            raise UsageError(
                f"{self.name}:{self.path} has no split {split!r}",
                expected=f"one of {', '.join(self.splits)}" if self.splits else "no split: it has none",
                action=f"name it {self.name}:{self.path}" + (f"@{self.splits[0]}" if self.splits else ""),
            )
        return replace(self, faces=[face for face in self.faces if face.split == split]) if split else self

    def canonical(self, split: str) -> str:
        """The set's own name for a split: "validation" is val where there is no such split."""
        known = split_of(split)
        return known if split not in self.splits and known in self.splits else split

    def require_sound(self) -> None:
        """Refuse a set that is not what its publisher made.

        Raises:
            DataError: the first problem for which loading is refused, or there are no faces.
        """
        for problem in self.problems.found.values():
            if problem.refused:
                raise DataError(
                    f"{self.name}:{self.path}: {problem.count:,} {problem.what}, "
                    f"e.g. {'; '.join(problem.examples)}",
                    expected=self.layout,
                    action=f"{problem.action}; `edgefer datasets check {self.path}` tells all that is wrong",
                )
        if not self.faces:
            raise DataError(
                f"{self.name}:{self.path} holds no faces",
                expected=self.layout,
                action=f"`edgefer datasets check {self.path}` tells what was found",
            )

    def counts(self) -> dict[str, dict[str, int]]:
        """Split -> class -> faces; the split is "all" where the set has none."""
        counted = Counter((face.split, face.label) for face in self.faces)
        splits = list(dict.fromkeys(face.split for face in self.faces))
        return {split or "all": {name: counted[split, name] for name in self.classes} for split in splits}

    def labels(self) -> NDArray[np.int64]:
        """Indices into ``classes``, one a face."""
        index = {name: number for number, name in enumerate(self.classes)}
        return np.array([index[face.label] for face in self.faces], np.int64)

    def attributes(self) -> dict[str, NDArray[np.generic]]:
        """What is known of the faces beside their class, as a face set carries it."""
        known = {
            name: [getattr(face, name) for face in self.faces]
            for name in ("subject", "yaw", "session", "occlusion", "pose")
        }
        attributes = {name: np.array(values) for name, values in known.items() if None not in values}
        if self.splits:
            attributes["split"] = np.array([face.split for face in self.faces])
        return attributes


class Loader(Protocol):
    """What each module of :mod:`edgefer.data.sets` offers."""

    @staticmethod
    def recognises(path: Path) -> bool:
        """Whether ``path`` looks like this set."""

    @staticmethod
    def read(path: Path) -> Listing:
        """The set at ``path``.

        Raises:
            DataError: it is in none of the set's layouts, or one of its lists cannot be read at all.
        """


class OwnLoader(Protocol):
    """What the modules that read a user's own sets offer."""

    @staticmethod
    def read(path: Path, named: Mapping[str, str]) -> Listing:
        """The set at ``path``, whose words ``named`` says to mean these classes.

        Raises:
            DataError: it is no such set.
            UsageError: ``named`` names words that are not there.
        """
