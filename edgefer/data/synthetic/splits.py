"""Splits: which people are in which part of SynthFER, and in which order their pictures come.

The order is identity by identity. Within one, picture j shows expression j mod 7 from yaw j mod 5 in
session j mod 2; as 7, 5 and 2 have no common divisor, every combination comes once in 70 pictures and
any first N of them are balanced to within one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from edgefer.data.faceset import EXPRESSIONS
from edgefer.data.synthetic.camera import YAWS
from edgefer.data.synthetic.performance import SESSIONS

OCCLUSION_ROUND = ("sunglasses", "none", "none", "mask", "none", "hand", "none", "none", "patch", "none")
"""Each expression in the wild goes through this round as identities go by: 40 % covered, all kinds alike."""


class Shot(NamedTuple):
    """One picture to take; all fields but ``occlusion`` are indices (into EXPRESSIONS, YAWS, SESSIONS)."""

    expression: int
    yaw: int
    session: int
    occlusion: str


class Split(NamedTuple):
    """Some people, and how many pictures there are of each.

    Attributes:
        identities: their numbers, in order.
        shots_each: 70 (both sessions) or 35 (expressions alternate between the sessions).
        purpose: in a few words.
    """

    identities: range
    shots_each: int
    purpose: str

    def __len__(self) -> int:  # type: ignore[override]
        return len(self.identities) * self.shots_each


BOTH_SESSIONS = len(EXPRESSIONS) * len(YAWS) * len(SESSIONS)
ONE_SESSION = len(EXPRESSIONS) * len(YAWS)
SPLITS = {
    "train": Split(range(56), BOTH_SESSIONS, "training"),
    "train-large": Split(range(300), BOTH_SESSIONS, "training on more people; begins with those of train"),
    "val": Split(range(300, 314), BOTH_SESSIONS, "early stopping and choices"),
    "test": Split(range(314, 328), BOTH_SESSIONS, "final accuracy"),
    "eval": Split(range(400, 500), ONE_SESSION, "accuracy drops between engines"),
}


def shots(identity: int, count: int) -> Sequence[Shot]:
    """The pictures of one person, in order.

    Args:
        identity: the person's number.
        count: ``BOTH_SESSIONS`` or ``ONE_SESSION``.
    """
    taken = []
    for j in range(count):
        expression, yaw = j % len(EXPRESSIONS), j % len(YAWS)
        session = j % 2 if count == BOTH_SESSIONS else (identity + expression) % 2
        taken.append(Shot(expression, yaw, session, occlusion(identity, expression) if session else "none"))
    return taken


def occlusion(identity: int, expression: int) -> str:
    """What covers this person's face when showing this expression in the wild.

    The step at every tenth identity lets those of even and of odd number, whose expressions fall to
    different sessions in ``eval``, both go through the whole round.
    """
    return OCCLUSION_ROUND[
        (identity + identity // len(OCCLUSION_ROUND) + 3 * expression) % len(OCCLUSION_ROUND)
    ]
