"""What must be installed for a step, asked for before the step begins."""

from __future__ import annotations

from importlib.util import find_spec

from edgefer_runtime.errors import MissingError

EXTRAS = {
    "train": ("torch", "safetensors"),
    "export": ("torch", "safetensors", "onnx", "onnxscript"),
    "onnxruntime": ("onnxruntime", "onnx"),
    "openvino": ("openvino", "onnxruntime", "onnx"),
    "report": ("matplotlib", "sklearn"),
    "sign": ("cryptography",),
}
"""Modules that each extra of the distribution brings."""


def missing(extra: str) -> list[str]:
    """Modules of ``extra`` that are not installed."""
    return [name for name in EXTRAS[extra] if find_spec(name) is None]


def install_command(extra: str) -> str:
    """The command that installs ``extra``."""
    return f'pip install "edgefer[{extra}]"'


def require(extra: str, purpose: str) -> None:
    """Check that ``extra`` is installed.

    Raises:
        MissingError: it is not; the message names the command that installs it.
    """
    if absent := missing(extra):
        raise MissingError(
            f"{purpose} needs {', '.join(absent)}, not installed here",
            expected=f"the extra [{extra}]",
            action=install_command(extra),
        )
