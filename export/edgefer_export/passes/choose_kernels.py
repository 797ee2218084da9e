"""Asks OpenVINO for its older kernels where convolutions take few channels.

OpenVINO 2026.4.1 computes every convolution by batches of small matrix products, which pay for long sums.
Over three colours, or the one to four channels of a gate, its generated convolution kernels are faster: the
first convolution of FCSDNet takes 114 instead of 137 us in INT8, of PAtt-Lite 92 instead of 116, a gate's
layer three quarters of the time (two threads, AVX-512 VNNI, a crowded machine). What is asked for is an
attribute in the IR; a processor without such a kernel, and a version without the attribute, run what they
would run anyway.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

FEW_CHANNELS = 4
BLOCK = 16
"""Output channels that the kernels compute at once: with LANMSFF's 66 they lose (152 instead of 106 us)."""

WANTED = "cpu:brgconv_avx512_amx,cpu:jit_avx512"
"""In order; what multiplies in tiles, where a processor does, stays first."""


def choose_kernels(ir: Path) -> int:
    """Write the wish into the IR file ``ir``, for each convolution it concerns; returns how many."""
    tree = ElementTree.parse(ir)
    chosen = 0
    for layer in tree.iter("layer"):
        if layer.get("type") != "Convolution":
            continue
        _, weights = layer.findall("input/port")
        outputs, inputs = (int(length.text or 0) for length in weights.findall("dim")[:2])
        if inputs > FEW_CHANNELS or (outputs > BLOCK and outputs % BLOCK):
            continue
        told = layer.find("rt_info")
        if told is None:
            told = ElementTree.Element("rt_info")
            layer.insert(1, told)  # between data and input
        ElementTree.SubElement(told, "attribute", name="primitives_priority", version="0", value=WANTED)
        chosen += 1
    if chosen:
        tree.write(ir, encoding="utf-8", xml_declaration=True)
    return chosen
