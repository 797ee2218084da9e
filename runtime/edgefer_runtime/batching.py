"""Whether faces of different clients may share a call of an engine, and how many."""

from __future__ import annotations

from edgefer_runtime.bundle import Bundle

LARGEST_BATCH = 16
"""Faces in one call, as edgefer's TensorRT plans and what it exports for Triton have it."""

INVARIANCE = "batch-invariance/"
"""Rows of a certificate that say whether a face's answer depends on its neighbours in a batch."""


def batches_mix(bundle: Bundle) -> bool:
    """Whether the engine takes any number of faces, and its certificate shows that none sees the others."""
    rows = [row for row in bundle.certificate.get("checks", []) if row["name"].startswith(INVARIANCE)]
    return bundle.manifest.batch is None and bool(rows) and all(row["passed"] for row in rows)
