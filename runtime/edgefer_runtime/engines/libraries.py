"""Importing the engines' libraries: quietly, and with advice that fits where it fails.

Some of them report their use to their makers as soon as they are imported. Everything in edgefer imports them
from here, so that this is switched off first; a test watches with strace that nothing is sent.
"""

from __future__ import annotations

import os
import re
import sys
from importlib import import_module
from typing import Any

from edgefer_runtime.errors import MissingError

NUMPY_1_MODULE = re.compile(r"_ARRAY_API|numpy\.core|compiled (using|against) NumPy 1|^$")
"""What an extension module that was built for numpy 1 says beside numpy 2: often nothing at all."""


def import_onnxruntime() -> Any:
    """The onnxruntime module, its reports of usage switched off.

    Its Linux wheels since 1.31 look up their maker's host some seconds after the import and keep a file in
    ~/.cache. A value of ``ORT_DISABLE_TELEMETRY`` that the user has set is kept.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    return import_module("onnxruntime")


def import_openvino() -> Any:
    """The openvino module, its reports of usage switched off.

    Its import reports itself over the network if the package openvino-telemetry, on which it depends, can be
    imported; None in the module table makes that fail, and OpenVINO then goes without.
    """
    if "openvino" not in sys.modules:
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    return import_module("openvino")


def raise_interrupt(error: BaseException) -> None:
    """Raise the Ctrl-C that ``error`` comes from, if any: pybind11 makes one in an import a failed import."""
    if isinstance(error.__cause__, KeyboardInterrupt):
        raise error.__cause__


def missing(target: str, error: ImportError, module: str | None = None) -> MissingError:
    """The error for a target whose library cannot be imported; an import that was interrupted is raised.

    Args:
        target: the target's name, which is that of the runtime's extra as well.
        error: what the import raised.
        module: the library's module where it is not called like the target.
    """
    raise_interrupt(error)
    module = module or target.replace("-", "_")
    if isinstance(error, ModuleNotFoundError) and error.name == module:
        return MissingError(
            f"the library of the target {target!r} is not installed ({error})",
            expected=f"the package {target}",
            action=f'pip install "edgefer-runtime[{target}]"',
        )
    # Something of that name is there, and on a robot it may be a vendor's build that pip must not replace.
    owners = _distributions(module)
    said = str(error).strip() or "its import says nothing"
    if _numpy_major() >= 2 and NUMPY_1_MODULE.search(str(error).strip()):
        return MissingError(
            f"{' and '.join(owners) or module} cannot be imported beside numpy {_numpy_version()} ({said})",
            expected="numpy 1: this build of the library is of before numpy 2",
            action='pip install "numpy<2"',
        )
    return MissingError(
        f"the library of the target {target!r} is installed ({', '.join(owners) or 'not by pip'}) "
        f"and cannot be imported ({said})",
        expected=f"one whole build of {module} for this Python and this machine",
        action="uninstall all but one of them, then install that one again"
        if len(owners) > 1
        else f"install {owners[0] if owners else module} again, from where it came",
    )


def _distributions(module: str) -> list[str]:
    """Installed distributions that bring the module, with their versions."""
    from importlib import metadata

    try:
        return sorted(
            f"{each.metadata['Name']} {each.version}"
            for each in metadata.distributions()
            if any(file.parts[0] == module for file in (each.files or ())[:50])
        )
    except OSError:
        return []


def _numpy_version() -> str:
    import numpy

    return numpy.__version__


def _numpy_major() -> int:
    return int(_numpy_version().split(".")[0])
