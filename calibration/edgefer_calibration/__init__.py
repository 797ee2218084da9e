"""Calibration sets and INT8 quantization, one recipe per target."""
