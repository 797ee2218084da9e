"""Whether a network is judged by faces that it was trained on.

A checkpoint holds of each set that made it the fingerprint of the whole, and a sketch of its pictures: the
smallest :data:`KEPT` of their hashes. Among the pictures of another set whose hashes are no larger than the
sketch's largest, those of the training set are in the sketch, all of them, and the others are not: their
share tells how much of the set was seen, exactly where the training set is no larger than the sketch.
(Bottom-k sketch: E. Cohen, H. Kaplan, "Summarizing Data using Bottom-k Sketches", 2007.)
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer.data.faceset import CHUNK, FaceSet

KEPT = 1024
"""Hashes of a sketch, 8 bytes each."""

ROLES = {
    "train": "trained the network",
    "validation": "chose its best epoch",
    "calibration": "calibrated its INT8 engine",
}
"""What faces did that should not judge, by the key of a provenance that describes them."""

Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class Seen:
    """Faces of an evaluation that made what is evaluated.

    Attributes:
        role: a key of :data:`ROLES`.
        source: the name of the set that they were in.
        share: of the evaluated faces, 0..1; NaN where only the set's name tells, not how many.
    """

    role: str
    source: str
    share: float

    def __str__(self) -> str:
        if self.share != self.share:
            return f"some or all of these faces {ROLES[self.role]} (their set did: {self.source})"
        part = "all" if self.share > 0.9995 else f"about {max(100 * self.share, 0.1):.3g} %"
        return f"{part} of these faces {ROLES[self.role]} ({self.source})"

    def to_json(self) -> dict[str, Any]:
        """As a JSON object; an unknown share is null."""
        return {
            "role": self.role,
            "source": self.source,
            "share": None if self.share != self.share else self.share,
            "text": str(self),
        }


def sketch(faces: FaceSet) -> str:
    """The smallest :data:`KEPT` hashes of the pictures, in base64."""
    smallest = np.unique(picture_hashes(faces))[:KEPT]
    return base64.b64encode(smallest.astype("<u8").tobytes()).decode()


def picture_hashes(faces: FaceSet) -> Hashes:
    """Of each picture, in order, 64 bits of a hash of its pixels."""
    hashes = np.empty(len(faces), np.uint64)
    shape = repr(faces.images.shape[1:]).encode()
    for start in range(0, len(faces), CHUNK):
        for offset, picture in enumerate(faces.images[start : start + CHUNK]):
            digest = hashlib.blake2b(shape, digest_size=8)
            digest.update(np.ascontiguousarray(picture).data)
            hashes[start + offset] = int.from_bytes(digest.digest(), "little")
    return hashes


def seen(provenance: Mapping[str, Any], faces: FaceSet) -> list[Seen]:
    """Which of ``faces`` made what is evaluated, as far as its provenance knows.

    Args:
        provenance: describes the sets under the keys of :data:`ROLES`; those that it lacks are passed over,
            and so is whatever is not as :func:`edgefer.training.selection.describe` writes it.
        faces: what it is evaluated on.
    """
    found = []
    for role in ROLES:
        described = provenance.get(role)
        if isinstance(described, Mapping) and len(faces):
            share = _share(described, faces)
            if share is not None:
                found.append(Seen(role, str(described.get("name", "")), share))
    return found


def _share(described: Mapping[str, Any], faces: FaceSet) -> float | None:
    """The share of ``faces`` that are in the described set; None where nothing says that any are."""
    if described.get("fingerprint") == faces.fingerprint():
        return 1.0
    kept = _read(described.get("sketch"))
    if kept is None:
        share = _share_by_name(str(described.get("name", "")), faces.name)
        # A calibration set is drawn from the set that it is named after.
        return share if share is None or "strategy" not in described else float("nan")
    hashes = picture_hashes(faces)
    if len(kept) == KEPT:  # More pictures than that: only the smallest hashes can be told.
        hashes = hashes[hashes <= kept[-1]]
    known = np.isin(hashes, kept).sum()
    return float(known / len(hashes)) if known else None


def _read(text: Any) -> Hashes | None:
    try:
        kept = np.frombuffer(base64.b64decode(text, validate=True), "<u8")
    except (TypeError, ValueError):
        return None
    return kept.astype(np.uint64) if 0 < len(kept) <= KEPT else None


def _share_by_name(trained: str, judged: str) -> float | None:
    """What names tell, of a checkpoint from before there were sketches."""
    parts = [_synthfer(name) for name in (trained, judged)]
    if parts[0] is not None and parts[1] is not None:
        common = len(parts[0] & parts[1])
        return common / len(parts[1]) if common else None
    return float("nan") if _bare(trained) and _bare(trained) == _bare(judged) else None


def _bare(name: str) -> str:
    """A set's address without the remarks on what part of it is meant."""
    return re.sub(r"( \([^()]*\)| fold \d+)+$", "", name)


def _synthfer(name: str) -> set[tuple[int, int]] | None:
    """(person, picture) of a part of SynthFER; None for another set."""
    from edgefer.data.synthetic.splits import SPLITS

    matched = re.fullmatch(r"synthfer:([a-z-]+)(?:\[:(\d+)\])?", _bare(name))
    if not matched or matched[1] not in SPLITS:
        return None
    split = SPLITS[matched[1]]
    pictures = [(person, shot) for person in split.identities for shot in range(split.shots_each)]
    return {*pictures[: int(matched[2]) if matched[2] else None]}
