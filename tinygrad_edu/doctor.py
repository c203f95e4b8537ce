"""`python -m tinygrad_edu.doctor`: what works on this machine, and the command that mends what does not.

Each check looks at one thing and returns what it found; a check that fails itself is a finding, too. Nothing is
installed, fetched or changed. Exit status 1 when something does not work.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

# What may be broken is imported by the check that needs it.

PACKAGE = "tinygrad-edu"
OLDEST_PYTHON = (3, 11)
ENOUGH_MEMORY = ENOUGH_DISK = 2**30  # bytes: what the largest model takes to train, and CIFAR-10 to unpack
OK, NOTE, PROBLEM = "ok", "note", "PROBLEM"


@dataclass(frozen=True)
class Finding:
    """What was seen, how bad it is, and the command that mends it; a "note" works, and one should know it."""

    level: str
    what: str
    mend: str = ""


def pip(*arguments: str) -> str:
    """A command for the Python that runs this, which need not be the one that `pip` belongs to."""
    return shlex.join([sys.executable, "-m", "pip", *arguments])


# --- what it stands on ---


def check_python() -> list[Finding]:
    what = f"Python {platform.python_version()} on {platform.platform(terse=True)}: {sys.executable}"
    if sys.version_info[:2] >= OLDEST_PYTHON:
        return [Finding(OK, what)]
    oldest = ".".join(map(str, OLDEST_PYTHON))
    return [Finding(PROBLEM, f"{what}; {oldest} or newer is needed", f"python{oldest} -m venv .venv")]


def check_dependencies() -> list[Finding]:
    """Whether everything in pyproject's `dependencies` is there, new enough, and can be imported."""
    try:
        wanted = [line for line in metadata.requires(PACKAGE) or [] if "extra ==" not in line]
    except metadata.PackageNotFoundError:
        return [Finding(PROBLEM, f"{PACKAGE} is not installed", pip("install", "-e", "."))]
    found = [finding for line in wanted if (finding := check_dependency(line))]
    return found or [Finding(OK, f"all {len(wanted)} packages that are needed are there and new enough")]


def check_dependency(requirement: str) -> Finding | None:
    """What is wrong with one of them, given as pyproject writes it: "numpy>=2.0"."""
    requirement = requirement.partition(";")[0].strip()
    name, _, oldest = requirement.partition(">=")
    try:
        there = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Finding(PROBLEM, f"{name} is not installed", pip("install", requirement))
    if numbers(there) < numbers(oldest):
        return Finding(PROBLEM, f"{name} {there} is too old, {oldest} is needed", pip("install", "-U", requirement))
    try:
        importlib.import_module(name.replace("-", "_"))
    except Exception as error:  # a broken installation fails with more than ImportError
        mend = pip("install", "--force-reinstall", requirement)
        return Finding(PROBLEM, f"{name} {there} is installed, but cannot be imported ({error})", mend)
    return None


def numbers(version: str) -> tuple[int, ...]:
    """ "2.10.1rc1" -> (2, 10, 1): enough to see which one is older."""
    return tuple(int(digits[0]) for part in version.split(".") if (digits := re.match(r"\d+", part)))


def check_blas() -> list[Finding]:
    """NumPy, the library that multiplies its matrices, and how many threads that one has."""
    import numpy as np
    import threadpoolctl

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    libraries = [info for info in threadpoolctl.threadpool_info() if info["user_api"] == "blas"]
    if not libraries:  # as Apple's Accelerate
        return [Finding(OK, f"NumPy {np.__version__}; its BLAS cannot be told how many threads to use, ours use one")]
    blas, threads = libraries[0], max(info["num_threads"] for info in libraries)
    what = f"NumPy {np.__version__} on {blas['internal_api']} {blas['version']}, {threads} threads on {cores} cores"
    limits = [name for name in os.environ if name.endswith("_NUM_THREADS")]
    if threads < cores and limits:
        return [Finding(NOTE, f"{what}: the environment asks for no more", f"unset {' '.join(sorted(limits))}")]
    return [Finding(OK, what)]


# --- the GPU ---


def check_cupy() -> list[Finding]:
    """CuPy against the driver. It is optional: without it, everything runs on the CPU."""
    from tinygrad_edu.backend import DeviceError, import_cupy

    names = (str(found.metadata["Name"]) for found in metadata.distributions())
    wheels = sorted({name for name in names if re.fullmatch(r"cupy(-(cuda|rocm).*)?", name)})
    driver = driver_cuda()
    # The extra of a driver that runs CUDA 13 is `cuda13`; older ones run CUDA 12.
    install = pip("install", "-e", f".[{'cuda12' if driver and driver[0] < 13 else 'cuda13'}]")
    drives = f"the driver runs CUDA {'.'.join(map(str, driver))}" if driver else "no NVIDIA driver answers"
    if len(wheels) > 1:
        what = f"{len(wheels)} CuPys are installed at once, {' and '.join(wheels)}, and spoil each other; {drives}"
        return [Finding(PROBLEM, what, f"{pip('uninstall', '-y', *wheels)} && {install}")]
    if not wheels:
        what = "CuPy is not installed: everything runs on the CPU"
        return [Finding(NOTE, f"{what}, though {drives}", install) if driver else Finding(OK, what)]
    installed = f"{wheels[0]} {metadata.version(wheels[0])}"
    try:
        cupy = import_cupy()
    except DeviceError as error:
        mend = f"{pip('uninstall', '-y', *wheels)} && {install}" if driver else pip("uninstall", "-y", *wheels)
        return [Finding(PROBLEM, f"{installed} is installed, but does not compute; {drives}. {error}", mend)]
    runtime = cupy.cuda.runtime
    versions = f"CUDA {cuda(runtime.runtimeGetVersion())}, of {cuda(runtime.driverGetVersion())} that the driver runs"
    name = runtime.getDeviceProperties(0)["name"].decode()
    return [Finding(OK, f"{installed} computes on {name} with {versions}")]


def driver_cuda() -> tuple[int, ...] | None:
    """The newest CUDA that the driver runs, such as (13, 0), as its own tool says; None where there is no driver."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    said = subprocess.run([tool], capture_output=True, text=True, timeout=30, check=False).stdout
    found = re.search(r"CUDA[\w ]*Version: *(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else None


def cuda(version: int) -> str:
    """12040 -> "12.4"."""
    return f"{version // 1000}.{version % 1000 // 10}"


# --- several processes ---


def check_mpi() -> list[Finding]:
    """mpi4py and the MPI that it needs. It is optional: without it, one process trains."""
    try:
        version = metadata.version("mpi4py")
    except metadata.PackageNotFoundError:
        return [Finding(OK, "mpi4py is not installed: one process trains, not several together")]
    mend = pip("install", "--force-reinstall", "mpi4py", "mpich")
    try:
        import mpi4py

        mpi4py.rc.initialize = False  # to look at the library, not to start it
        from mpi4py import MPI

        library = MPI.Get_library_version().splitlines()[0]
    except Exception as error:  # RuntimeError where it finds no MPI, and more where that one is damaged
        return [Finding(PROBLEM, f"mpi4py {version} is installed, but finds no MPI ({error})", mend)]
    launcher = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if launcher is None:
        return [Finding(PROBLEM, f"mpi4py {version} has {library}, but there is no mpiexec to start processes", mend)]
    return [Finding(OK, f"mpi4py {version} has {library}; processes are started by {launcher}")]


# --- data and room ---


def check_data() -> list[Finding]:
    """The data directory, and which data sets are in it; one that is missing is no failure: stand-in data is used."""
    from tinygrad_edu.data.errors import DataError
    from tinygrad_edu.data.files import ENVIRONMENT_VARIABLE, data_directory
    from tinygrad_edu.data.inventory import inventory

    try:
        folder = data_directory()
        holdings = inventory()
    except DataError as error:
        mend = f"mkdir -p {shlex.quote(os.environ.get(ENVIRONMENT_VARIABLE, ''))}, or: unset {ENVIRONMENT_VARIABLE}"
        return [Finding(PROBLEM, str(error), mend)]
    found = [Finding(OK, f"data folder {folder}")]
    if not os.access(existing(folder), os.W_OK):
        mend = f"chmod u+w {shlex.quote(str(existing(folder)))}, or name another one in ${ENVIRONMENT_VARIABLE}"
        found = [Finding(NOTE, f"data folder {folder}: cannot be written, so nothing can be downloaded to it", mend)]
    for holding in holdings:
        code = f'from tinygrad_edu.data import {holding.loader}; {holding.loader}(source="real")'
        fetch = shlex.join([sys.executable, "-c", code])
        if holding.state == "damaged":
            aside = f"mv {shlex.quote(str(holding.folder))} {shlex.quote(f'{holding.folder}.damaged')}"
            mend = f"{aside} && {fetch}" if holding.source else aside
            found.append(Finding(PROBLEM, f"{holding.name}: {holding.error}", mend))
        elif holding.state == "missing":
            what = f"{holding.name} is not in {holding.folder}: a run fetches it from {holding.source}, or else "
            found.append(Finding(NOTE, f"{what}uses stand-in data", fetch))
        else:
            own = "not the published data, but in its format" if holding.state == "own" else "there"
            found.append(Finding(OK, f"{holding.name}: {own}"))
    return found


def check_disk() -> list[Finding]:
    """Room where data sets go and where results go."""
    from tinygrad_edu.data.errors import DataError
    from tinygrad_edu.data.files import data_directory

    folders = {"results": Path("runs").absolute()}
    with contextlib.suppress(DataError):  # a folder that is not there, which `check_data` tells
        folders["data"] = data_directory()
    found = []
    for what, folder in folders.items():
        place = existing(folder)
        free = shutil.disk_usage(place).free
        level, mend = (OK, "") if free >= ENOUGH_DISK else (NOTE, f"free some, or name another folder than {folder}")
        found.append(Finding(level, f"{free / 2**30:.1f} GiB of disk are free for {what}, in {place}", mend))
    return found


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(place for place in (folder, *folder.parents) if place.exists())


def check_memory() -> list[Finding]:
    free = free_memory()
    if free is None:
        return [Finding(OK, "how much memory is free, this system does not tell")]
    what = f"{free / 2**30:.1f} GiB of memory are free"
    if free >= ENOUGH_MEMORY:
        return [Finding(OK, what)]
    return [Finding(NOTE, f"{what}; mini_alexnet takes about one", "python -m models.mini_alexnet --batch-size 32")]


def free_memory() -> int | None:
    """Bytes that a program could still have: of the machine, and of the container where there is one. Linux alone."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return None
    try:
        limit, used = (Path(f"/sys/fs/cgroup/memory.{name}").read_text(encoding="ascii") for name in ("max", "current"))
        return min(free, int(limit) - int(used))
    except (OSError, ValueError):  # no container, or "max": no limit
        return free


# --- the framework itself ---


def check_training() -> list[Finding]:
    """A small network learns three points, and the gradient of one operation is right."""
    import numpy as np

    from tinygrad_edu import nn, ops, optim
    from tinygrad_edu.gradcheck import gradcheck
    from tinygrad_edu.tensor import Tensor

    rng = np.random.default_rng(0)
    gradcheck(ops.matmul, rng.normal(size=(2, 3)), rng.normal(size=(3, 4)))
    x, labels = Tensor(rng.normal(size=(3, 4)).astype(np.float32)), np.arange(3)
    model = nn.Linear(4, 3, rng=rng)
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = ops.softmax_cross_entropy(model(x), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    what = f"20 steps of training took the loss from {losses[0]:.2f} to {losses[-1]:.2f}"
    if losses[-1] < losses[0] / 2:
        return [Finding(OK, f"{what}, and a gradient is right")]
    return [Finding(PROBLEM, f"{what}: it does not learn", f"{shlex.quote(sys.executable)} -m tinygrad_edu.gradcheck")]


CHECKS: tuple[Callable[[], list[Finding]], ...] = (
    check_python,
    check_dependencies,
    check_blas,
    check_cupy,
    check_mpi,
    check_data,
    check_disk,
    check_memory,
    check_training,
)


def examine(check: Callable[[], list[Finding]]) -> list[Finding]:
    """What a check found; where it failed itself, that."""
    try:
        return check()
    except Exception as error:  # whatever is broken here, the other checks go on
        subject = check.__name__.removeprefix("check_")
        mend = f"mend what stands above first; if nothing does: {pip('install', '--force-reinstall', '-e', '.')}"
        return [Finding(PROBLEM, f"{subject}: {type(error).__name__}: {error}", mend)]


def report(findings: Iterable[Finding]) -> None:
    for finding in findings:
        first, *rest = finding.what.splitlines() or [""]
        print(f"{finding.level:<8} {first}")
        for line in rest:
            print(f"{'':<8} {line}")
        if finding.mend:
            print(f"{'':<8} -> {finding.mend}", flush=True)


def main() -> int:
    problems = 0
    for check in CHECKS:
        findings = examine(check)
        report(findings)
        problems += sum(finding.level == PROBLEM for finding in findings)
    print(f"\n{problems} problem{'s' * (problems != 1)}" if problems else "\neverything works")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
