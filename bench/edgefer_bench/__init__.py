"""Measures engines: latency, size, accuracy and what INT8 cost, with intervals."""

from edgefer_bench.benchmark import bench

__all__ = ["bench"]
