"""Array types used throughout: plain names for what numpy spells at length."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
"""Geometry and light; float32 wherever there are many (numpy's type stubs lose track of the width)."""
Ints = NDArray[np.integer[Any]]
Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]
