"""Splits: which people are in which part of SynthFER, and in which order their pictures come.

The order is identity by identity. Within one, picture j shows expression j mod 7 from yaw j mod 5 in
session j mod 2; as 7, 5 and 2 have no common divisor, every combination comes once in 70 pictures and
any first N of them are balanced to within one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from edgefer.data.faceset import EXPRESSIONS
from edgefer.data.synthetic.camera import YAWS
from edgefer.data.synthetic.performance import SESSIONS

ONE_SESSION = len(EXPRESSIONS) * len(YAWS)
BOTH_SESSIONS = ONE_SESSION * len(SESSIONS)
OCCLUSION_ROUND = ("sunglasses", "none", "none", "mask", "none", "hand", "none", "none", "patch", "none")
"""Each expression in the wild goes through this round as identities go by: 40 % covered, all kinds alike."""


class Shot(NamedTuple):
    """One picture to take; all fields but ``occlusion`` are indices (into EXPRESSIONS, YAWS, SESSIONS)."""

    expression: int
    yaw: int
    session: int
    occlusion: str


@dataclass(frozen=True)
class Split:
    """Some people, and how many pictures there are of each.

    Attributes:
        identities: their numbers, in order.
        shots_each: ``BOTH_SESSIONS``, or ``ONE_SESSION`` where expressions alternate between the two.
    """

    identities: range
    shots_each: int = BOTH_SESSIONS

    @property
    def images(self) -> int:
        """Pictures in all."""
        return len(self.identities) * self.shots_each


SPLITS = {
    "train": Split(range(56)),
    "train-large": Split(range(300)),
    "val": Split(range(300, 314)),
    "test": Split(range(314, 328)),
    "eval": Split(range(400, 500), ONE_SESSION),
}
"""Subject-disjoint, but that train-large begins with the people of train."""


def shots(identity: int, count: int) -> list[Shot]:
    """The pictures of one person, in order; ``count`` is ``BOTH_SESSIONS`` or ``ONE_SESSION``."""
    taken = []
    for j in range(count):
        expression, yaw = j % len(EXPRESSIONS), j % len(YAWS)
        session = j % len(SESSIONS) if count == BOTH_SESSIONS else (identity + expression) % len(SESSIONS)
        taken.append(Shot(expression, yaw, session, occlusion(identity, expression) if session else "none"))
    return taken


def occlusion(identity: int, expression: int) -> str:
    """What covers this person's face when showing this expression in the wild.

    The extra step at every tenth identity lets people of even and of odd number, whose expressions fall
    to different sessions in ``eval``, both go through the whole round.
    """
    step = identity + identity // len(OCCLUSION_ROUND) + 3 * expression
    return OCCLUSION_ROUND[step % len(OCCLUSION_ROUND)]
