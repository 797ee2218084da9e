"""What this machine can do, and what is wrong with it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgefer.pipeline.requirements import EXTRAS, install_command, missing

if TYPE_CHECKING:
    from edgefer_runtime.board import Board
    from edgefer_runtime.environment import Environment

INT8_FEATURES = ("avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")
"""Processor features that multiply INT8 faster than float."""

ROOT = Path("/")


def diagnose(root: Path = ROOT) -> dict[str, Any]:
    """Probe the machine whose file system is at ``root``.

    Returns:
        ``machine`` and ``board`` (what was probed), ``device`` (the profile's name; null without one),
        ``sensors`` (what they read, and why there is no power among it), ``parts`` (each extra: ``ready``,
        or the ``action`` that gets it) and ``findings`` (what to mend and how, a sentence each; empty when
        all is well).
    """
    from edgefer_bench.devices import recognise
    from edgefer_runtime.board import identify
    from edgefer_runtime.environment import probe
    from edgefer_runtime.sensors import find_sensors, throttling

    machine, board = probe(root), identify(root)
    device, sensors, held_back = recognise(board), find_sensors(root), throttling(root)
    parts = [
        {
            "name": extra,
            "ready": not missing(extra),
            "action": install_command(extra) if missing(extra) else "",
        }
        for extra in EXTRAS
    ]
    findings = [*machine.warnings, *(_jetson(machine, board) if board.chip else [])]
    if not {*INT8_FEATURES} & {*machine.flags}:
        findings.append(
            f"this processor has none of {', '.join(INT8_FEATURES)}, so INT8 may be no faster than float: "
            "measure both"
        )
    if not any(part["ready"] for part in parts if part["name"] in ("onnxruntime", "openvino")):
        findings.append(f"no engine is installed, so no bundle can run: {install_command('onnxruntime')}")
    if held_back.now:
        findings.append(
            f"held back now by {', '.join(held_back.now)}: see to cooling and power supply before measuring"
        )
    elif events := [name for name, count in held_back.counts.items() if count]:
        findings.append(f"was held back since it booted by {', '.join(events)}: latencies may wander")
    return {
        "machine": machine.to_json(),
        "board": board.to_json(),
        "device": device and device.name,
        "sensors": {
            **sensors.read(),
            "power_total_w": sensors.total_power(device.power_rails if device else ()),
            "energy_counter": sensors.counter and sensors.counter.name,
            "no_power": sensors.no_power,
            "throttled_by": list(held_back.now),
        },
        "parts": parts,
        "findings": findings,
    }


def _jetson(machine: Environment, board: Board) -> list[str]:
    """What keeps TensorRT from running on a Jetson, or would make its numbers another's."""
    found = []
    importable = find_spec("tensorrt") is not None
    if board.tensorrt is None and not importable:
        found.append("TensorRT is not installed: sudo apt-get install nvidia-jetpack python3-libnvinfer")
    elif not importable:
        found.append(
            f"TensorRT {board.tensorrt} is on the system and this Python does not see it: "
            "sudo apt-get install python3-libnvinfer, and make the environment with "
            "python3 -m venv --system-site-packages"
        )
    if machine.packages.get("tensorrt", "").startswith("11.") and (board.jetpack or "").startswith("6"):
        found.append(
            "TensorRT 11 does not run on JetPack 6: pip uninstall -y tensorrt, and use the system's package"
        )
    if (board.tensorrt or "").startswith("10.2."):
        found.append("TensorRT 10.2 is known to build wrong plans: update JetPack")
    if board.jetpack is None:
        found.append(f"L4T {board.l4t or 'of unknown release'}: no JetPack is known to bring it")
    elif board.jetpack.split(".")[0] in ("4", "5"):
        found.append(
            f"JetPack {board.jetpack} comes with Python 3.8 or older; edgefer-runtime needs 3.10: update to "
            "JetPack 6 or later, or run a container that has it"
        )
    if board.power_mode is None:
        found.append("the power mode is not known, as nvpmodel did not answer: sudo nvpmodel -q")
    elif not board.power_mode.startswith("MAXN"):
        found.append(
            f"the power mode is {board.power_mode}, which caps the clocks: sudo nvpmodel -m 0, or measure "
            "in the mode that the robot drives in"
        )
    return found
