"""Arrays as large as activations come from memory that the process has already."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import numpy as np
from edgefer.training.memory import keep_memory

keep_memory(sys.argv[1])

def faults() -> int:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(12_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
print(faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_pages_are_used_again_on_a_cpu_alone() -> None:
    on_cpu, on_gpu = (
        int(subprocess.run([sys.executable, "-c", FAULTS, device], capture_output=True, check=True).stdout)
        for device in ("cpu", "cuda")
    )
    assert 10 * on_cpu < on_gpu
