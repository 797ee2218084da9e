"""What this machine can do, and what is wrong with it."""

from __future__ import annotations

from typing import Any

from edgefer.pipeline.requirements import EXTRAS, install_command, missing

INT8_FEATURES = ("avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")
"""Processor features that multiply INT8 faster than float."""


def diagnose() -> dict[str, Any]:
    """Probe this machine.

    Returns:
        ``machine`` (what was probed), ``parts`` (each extra: ``ready``, or the ``action`` that gets it) and
        ``findings`` (what to mend, a sentence each; empty when all is well).
    """
    from edgefer_runtime.environment import probe

    machine = probe()
    parts = [
        {
            "name": extra,
            "ready": not missing(extra),
            "action": install_command(extra) if missing(extra) else "",
        }
        for extra in EXTRAS
    ]
    findings = list(machine.warnings)
    if not {*INT8_FEATURES} & {*machine.flags}:
        findings.append(
            f"this processor has none of {', '.join(INT8_FEATURES)}: INT8 may be no faster than float here"
        )
    if not any(part["ready"] for part in parts if part["name"] in ("onnxruntime", "openvino")):
        findings.append(f"no engine is installed, so no bundle can run: {install_command('onnxruntime')}")
    return {"machine": machine.to_json(), "parts": parts, "findings": findings}
