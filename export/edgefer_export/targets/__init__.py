"""Targets: where engines run. One file each behind one protocol; the order here is the order of tables."""

from __future__ import annotations

from importlib import import_module

from edgefer_export.targets.base import BuiltEngine, Layer, Target
from edgefer_runtime.errors import MissingError, UsageError
from edgefer_runtime.suggestions import unknown

__all__ = ["TARGETS", "BuiltEngine", "Layer", "Target", "get", "installed", "require"]

TARGETS = ("onnxruntime", "openvino", "tensorrt", "tensorrt-rtx")


def get(name: str) -> Target:
    """The target called ``name``.

    Raises:
        UsageError: there is no such target.
    """
    if name not in TARGETS:
        raise unknown("target", name, TARGETS)
    target: Target = import_module(f"edgefer_export.targets.{name.replace('-', '_')}").TARGET
    return target


def installed() -> tuple[str, ...]:
    """Names of the targets whose libraries are installed here."""
    return tuple(name for name in TARGETS if get(name).installed())


def require(target: Target, precision: str) -> None:
    """Raise unless ``target`` can build ``precision`` here.

    Raises:
        UsageError: the target has no such precision.
        MissingError: the target's libraries are not installed.
    """
    if precision not in target.precisions:
        raise UsageError(
            f"{target.name} in {precision}",
            expected=f"{target.name} in one of {', '.join(target.precisions)}",
        )
    if not target.installed():
        raise MissingError(
            f"the libraries of target {target.name} are not installed",
            expected=f"{target.name}, to build its engines",
            action=target.install,
        )
