"""Measures engines: latency, size, accuracy and what INT8 cost, with intervals."""
