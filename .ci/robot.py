"""One prediction where only the runtime wheel is installed: nothing of the toolchain may be there."""

import importlib.util
import sys

from edgefer_runtime.__main__ import main

bundle, image = sys.argv[1:]
code = main(["predict", bundle, image])
present = [name for name in ("torch", "onnx", "edgefer", "typer") if importlib.util.find_spec(name)]
if code or present:
    sys.exit(f"predict exited {code}; found {present}; expected 0 and none of the toolchain")
print("the runtime wheel works alone")
