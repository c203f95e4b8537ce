"""Freed memory is kept, so that the next training step need not fetch it again."""

import subprocess
import sys
from pathlib import Path

import pytest

from tinygrad_edu.runtime.memory import keep_freed_memory

PROGRAM = """
import resource, sys
import numpy as np
if sys.argv[1] == "ours":
    from tinygrad_edu.runtime.memory import keep_freed_memory
    keep_freed_memory()
def step():
    a, b = np.ones(2**21, np.float32), np.ones(2**21, np.float32)
    return float((a * b)[0])
step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    step()
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 20)
"""


@pytest.mark.skipif(not keep_freed_memory(), reason="malloc is not glibc's")
def test_a_step_meets_no_page_faults_for_memory_that_the_last_one_freed():
    def faults(which):
        return float(subprocess.run([sys.executable, "-c", PROGRAM, which], capture_output=True, check=True).stdout)

    assert faults("ours") < 0.1 * faults("numpy")


HEAP = """
import re
from tinygrad_edu.runtime.memory import KEPT, keep_freed_memory
keep_freed_memory()
areas = re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", open("/proc/self/smaps").read(), flags=re.MULTILINE)
heap = [area for area in areas if "[heap]" in area.partition("\\n")[0]]
sizes = [int(re.search(r"^Size: +(\\d+) kB", area, re.MULTILINE)[1]) * 1024 for area in heap if " hg" in area]
assert sum(sizes) >= KEPT, heap
"""


@pytest.mark.skipif(not keep_freed_memory(), reason="malloc is not glibc's")
@pytest.mark.skipif(not Path("/sys/kernel/mm/transparent_hugepage").exists(), reason="this kernel has no large pages")
def test_large_pages_are_asked_for_where_the_kept_memory_lies():
    done = subprocess.run([sys.executable, "-c", HEAP], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
