"""Builds the plan of a bundle on the machine that will run it, from the ONNX in the bundle."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from edgefer_runtime.bundle import Bundle, write_bundle
from edgefer_runtime.engines.tensorrt_build import MODULES, PROFILE, Report, build_plan
from edgefer_runtime.engines.tensorrt_plan import FACTS, ONNX, PLAN, RECIPE
from edgefer_runtime.errors import UsageError


def build_bundle(
    path: Path,
    *,
    output: Path | None = None,
    largest_batch: int = PROFILE[-1],
    timing_cache: Path | None = None,
    on_progress: Report | None = None,
) -> Bundle:
    """Build the plan of the bundle at ``path`` for the GPU that is here.

    A plan that is there already, built elsewhere or by another version, is built anew. A TensorRT-RTX plan
    keeps the compute capability that it was exported for. The new bundle has a new manifest, which a
    signature over the old one does not cover: it is written without, and its provenance says so.

    Args:
        path: a bundle for ``tensorrt`` or ``tensorrt-rtx``.
        output: folder of the new bundle; by default ``path`` is replaced, once all is well.
        largest_batch: of a bundle with a dynamic batch.
        timing_cache: see :func:`edgefer_runtime.engines.tensorrt_build.build_plan`.
        on_progress: told where the build is.

    Returns:
        The new bundle, verified.

    Raises:
        UsageError: a bundle for a target that is not built on the robot; a zip or an installed model without
            ``output``.
        MissingError, DeviceError: no TensorRT, or no GPU.
        CheckError: TensorRT refuses the graph; the message names the modules.
        DataError: the bundle is damaged.
    """
    with Bundle.open(path) as bundle, tempfile.TemporaryDirectory(prefix="edgefer-build-") as work:
        manifest = bundle.manifest
        if manifest.target not in MODULES:
            raise UsageError(
                f"{path}: a bundle for the target {manifest.target!r}",
                expected=f"one for {' or '.join(MODULES)}",
                action="run it as it is: there is nothing to build",
            )
        if output is None and not Path(path).is_dir():
            raise UsageError(
                f"{path}: a zip or an installed model",
                expected="a folder to write the built bundle to",
                action="name it with -o",
            )
        plan, onnx = Path(work) / PLAN, bundle.folder / ONNX
        capability = manifest.options.get("compute_capability")
        facts = build_plan(
            manifest.target,
            onnx,
            plan,
            compute_capability=None if capability is None else str(capability),
            profile=(1, min(PROFILE[1], largest_batch), largest_batch),
            timing_cache=timing_cache,
            on_progress=on_progress,
        )
        facts.write(Path(work) / FACTS)
        built = replace(
            manifest,
            entry=PLAN,
            files=(),
            tools={**manifest.tools, facts.library: facts.version},
            provenance={**manifest.provenance, "built_from_signed": bundle.signed},
        )
        kept = {file.path: bundle.folder / file.path for file in manifest.files if file.path != RECIPE}
        files = {**kept, PLAN: plan, FACTS: Path(work) / FACTS}
        return write_bundle(output or bundle.path, built, files, bundle.certificate)
