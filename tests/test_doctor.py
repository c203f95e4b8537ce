"""The doctor finds what is broken, says what mends it, and survives it."""

import gzip
import importlib
import shlex
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from data_files import write_mnist

from tinygrad_edu import backend, doctor
from tinygrad_edu.data import load_mnist

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("TINYGRAD_EDU_DATA", str(tmp_path))
    return tmp_path


def levels(findings):
    return [finding.level for finding in findings]


def of_level(level, findings):
    (found,) = (finding for finding in findings if finding.level == level)
    return found


# --- several processes ---


def a_fake_mpi(library):
    """mpi4py, whose `MPI` is this."""
    return SimpleNamespace(rc=SimpleNamespace(), MPI=library)


def test_an_mpi_that_is_there_is_named_with_what_starts_processes(monkeypatch):
    install(monkeypatch)
    library = SimpleNamespace(Get_library_version=lambda: "MPICH Version: 5\nmore")
    monkeypatch.setitem(sys.modules, "mpi4py", a_fake_mpi(library))
    monkeypatch.setattr(shutil, "which", lambda name, path: "/bin/mpiexec")
    (found,) = doctor.check_mpi()
    assert found.level == "ok"
    assert found.what == "mpi4py 14.0.1 has MPICH Version: 5; processes are started by /bin/mpiexec"
    monkeypatch.setattr(shutil, "which", lambda name, path: None)
    (found,) = doctor.check_mpi()
    assert found.level == doctor.PROBLEM
    assert "no mpiexec" in found.what


def test_an_mpi_that_is_broken_or_missing(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    (found,) = doctor.check_mpi()
    assert (found.level, found.mend) == ("ok", "")
    install(monkeypatch)
    monkeypatch.setitem(sys.modules, "mpi4py", SimpleNamespace(rc=SimpleNamespace()))
    (found,) = doctor.check_mpi()
    assert found.level == doctor.PROBLEM
    assert "mpi4py 14.0.1 is installed, but finds no MPI" in found.what
    assert found.mend.endswith("-m pip install --force-reinstall mpi4py mpich")


# --- packages ---


def install(monkeypatch, *names):
    """Make metadata say that these, and no other CuPys, are installed."""
    found = [SimpleNamespace(metadata={"Name": name}) for name in ("numpy", "cupy-xarray", *names)]
    monkeypatch.setattr(metadata, "distributions", lambda: found)
    monkeypatch.setattr(metadata, "version", lambda name: "14.0.1")


def test_two_cupy_wheels_are_named_with_the_command_that_leaves_one(monkeypatch):
    install(monkeypatch, "cupy-cuda13x", "cupy-cuda12x")
    monkeypatch.setattr(doctor, "driver_cuda", lambda: (12, 8))
    (found,) = doctor.check_cupy()
    assert found.level == doctor.PROBLEM
    assert "cupy-cuda12x and cupy-cuda13x" in found.what
    assert "the driver runs CUDA 12.8" in found.what
    assert "pip uninstall -y cupy-cuda12x cupy-cuda13x && " in found.mend
    assert found.mend.endswith("install -e '.[cuda12]'")


def test_a_cupy_that_does_not_compute_says_what_the_backend_says(monkeypatch):
    install(monkeypatch, "cupy-cuda13x")
    monkeypatch.setattr(doctor, "driver_cuda", lambda: None)

    def fail():
        raise backend.DeviceError("device 'cuda' needs a GPU, but CuPy finds no usable GPU")

    monkeypatch.setattr(backend, "import_cupy", fail)
    (found,) = doctor.check_cupy()
    assert found.level == doctor.PROBLEM
    assert "cupy-cuda13x 14.0.1 is installed, but does not compute; no NVIDIA driver answers" in found.what
    assert "no usable GPU" in found.what
    assert found.mend.endswith("pip uninstall -y cupy-cuda13x")


@pytest.mark.parametrize(
    ("driver", "level", "extra"), [(None, "ok", ""), ((13, 0), "note", "cuda13"), ((12, 4), "note", "cuda12")]
)
def test_no_cupy_is_no_problem(monkeypatch, driver, level, extra):
    install(monkeypatch)
    monkeypatch.setattr(doctor, "driver_cuda", lambda: driver)
    (found,) = doctor.check_cupy()
    assert found.level == level
    assert "CuPy is not installed" in found.what
    assert extra in found.mend


def test_a_cupy_that_computes_is_told_with_its_versions(monkeypatch):
    install(monkeypatch, "cupy-cuda12x")
    runtime = SimpleNamespace(
        runtimeGetVersion=lambda: 12040, driverGetVersion=lambda: 13000, getDeviceProperties=lambda _: {"name": b"H1"}
    )
    cupy = SimpleNamespace(cuda=SimpleNamespace(runtime=runtime))
    monkeypatch.setattr(backend, "import_cupy", lambda: cupy)
    (found,) = doctor.check_cupy()
    assert found == doctor.Finding(
        "ok", "cupy-cuda12x 14.0.1 computes on H1 with CUDA 12.4, of 13.0 that the driver runs"
    )


@pytest.mark.parametrize("line", ["| Driver Version: 570.1   CUDA Version: 12.8 |", "CUDA UMD Version: 13.0"])
def test_the_drivers_own_tool_is_asked(monkeypatch, tmp_path, line):
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\necho '{line}'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert doctor.driver_cuda() == ((12, 8) if "12.8" in line else (13, 0))


def test_a_package_that_is_missing_too_old_or_broken_is_named(monkeypatch):
    def version(name):
        if name == "safetensors":
            raise metadata.PackageNotFoundError(name)
        return {"numpy": "2.10.1", "tqdm": "4.9.1"}.get(name, "99")

    def import_module(name):
        if name == "matplotlib":
            raise OSError("libfreetype.so is damaged")

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr(importlib, "import_module", import_module)
    missing, old, broken = (
        doctor.check_dependency(line) for line in ("safetensors>=0.4.3", "tqdm>=4.66", "matplotlib>=3.8")
    )
    assert "safetensors is not installed" in missing.what
    assert missing.mend == f"{shlex.quote(sys.executable)} -m pip install 'safetensors>=0.4.3'"
    assert "tqdm 4.9.1 is too old, 4.66 is needed" in old.what
    assert "cannot be imported (libfreetype.so is damaged)" in broken.what
    assert doctor.check_dependency("numpy>=2.9") is None
    assert levels(doctor.check_dependencies()) == [doctor.PROBLEM] * 3


def test_a_package_that_breaks_everything_is_a_finding_and_no_traceback():
    """In a process of its own, where neither safetensors nor threadpoolctl nor pooch can be imported."""
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['safetensors', 'threadpoolctl', 'pooch', 'matplotlib']))\n"
        "from tinygrad_edu import doctor; sys.exit(doctor.main())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 1
    assert done.stderr == ""
    for name in ("safetensors", "threadpoolctl", "pooch", "matplotlib"):
        assert f"{name} " in done.stdout
    assert "ok       20 steps of training" in done.stdout


# --- data ---


def test_missing_data_is_a_note_with_the_command_and_the_address(folder):
    found = doctor.check_data()
    assert levels(found) == ["ok", "note", "note", "note", "ok"]
    assert f"MNIST is not in {folder / 'mnist'}: a run fetches it from https://" in found[1].what
    assert found[1].mend.endswith("""-c 'from tinygrad_edu.data import load_mnist; load_mnist(source="real")'""")
    assert list(folder.iterdir()) == []  # looking fetches nothing


def test_data_of_the_same_format_is_known_from_the_published_one(folder):
    write_mnist(folder)
    assert "MNIST: not the published data, but in its format" in [finding.what for finding in doctor.check_data()]


def test_a_damaged_file_is_a_problem_in_the_loaders_words(folder):
    write_mnist(folder)
    path = folder / "mnist" / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:100])
    found = of_level(doctor.PROBLEM, doctor.check_data())
    assert str(path) in found.what
    assert f"mv {folder / 'mnist'} {folder / 'mnist'}.damaged && " in found.mend
    with pytest.raises(Exception, match="train-images") as error:
        load_mnist(folder)
    assert str(error.value) in found.what


def test_a_damaged_archive_is_a_problem_and_is_not_unpacked(folder):
    (folder / "cifar10").mkdir()
    (folder / "cifar10" / "cifar-10-binary.tar.gz").write_bytes(gzip.compress(b"half"))
    assert "wrong checksum" in of_level(doctor.PROBLEM, doctor.check_data()).what
    assert len(list((folder / "cifar10").iterdir())) == 1


def test_a_data_folder_that_is_not_there_is_a_problem(monkeypatch):
    monkeypatch.setenv("TINYGRAD_EDU_DATA", "/no/such folder")
    (found,) = doctor.check_data()
    assert found.level == doctor.PROBLEM
    assert "'/no/such folder', does not exist" in found.what
    assert "mkdir -p '/no/such folder'" in found.mend
    assert levels(doctor.check_disk()) == ["ok"]  # the results' folder; of the other it was told above


def test_the_users_cache_folder_need_not_be_there(monkeypatch, folder):
    monkeypatch.delenv("TINYGRAD_EDU_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    assert doctor.PROBLEM not in levels(doctor.check_data())


def test_a_data_folder_that_cannot_be_written_is_noted(monkeypatch, folder):
    monkeypatch.setattr("os.access", lambda *_: False)
    found = doctor.check_data()[0]
    assert found.level == "note"
    assert "cannot be written" in found.what
    assert f"chmod u+w {folder}" in found.mend


# --- room, and the framework ---


def test_little_room_is_noted(monkeypatch):
    monkeypatch.setattr(doctor, "free_memory", lambda: 2**28)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2**20))
    assert levels(doctor.check_memory() + doctor.check_disk()) == ["note"] * 3
    monkeypatch.setattr(doctor, "free_memory", lambda: None)
    assert levels(doctor.check_memory()) == ["ok"]


def test_a_wrong_gradient_is_a_problem(monkeypatch):
    from tinygrad_edu import ops
    from tinygrad_edu.tensor import record

    monkeypatch.setattr(ops, "matmul", lambda a, b: record(a.data @ b.data, (a, b), lambda G: (0 * a.data, 0 * b.data)))
    (found,) = doctor.examine(doctor.check_training)
    assert found.level == doctor.PROBLEM
    assert "GradientError" in found.what


def test_it_ends_in_one_line_and_a_status(monkeypatch, capsys):
    fine, broken = doctor.Finding("ok", "a"), doctor.Finding(doctor.PROBLEM, "b\nc", "mend b")
    monkeypatch.setattr(doctor, "CHECKS", (lambda: [fine],))
    assert doctor.main() == 0
    assert capsys.readouterr().out == "ok       a\n\neverything works\n"
    monkeypatch.setattr(doctor, "CHECKS", (lambda: [fine, broken], lambda: np.nothing))
    assert doctor.main() == 1
    output = capsys.readouterr().out
    assert "PROBLEM  b\n         c\n         -> mend b\n" in output
    assert "AttributeError" in output
    assert output.endswith("\n2 problems\n")


def test_on_this_machine_everything_works():
    done = subprocess.run(
        [sys.executable, "-m", "tinygrad_edu.doctor"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("\neverything works\n")
    assert done.stderr == ""


# --- findings that a healthy machine never has ---


def test_an_old_python_is_a_problem(monkeypatch):
    monkeypatch.setattr(doctor, "OLDEST_PYTHON", (9, 1))
    (finding,) = doctor.check_python()
    assert finding.level == doctor.PROBLEM
    assert finding.what.endswith("; 9.1 or newer is needed")
    assert finding.mend == "python9.1 -m venv .venv"


def test_a_package_that_is_not_installed_is_a_problem(monkeypatch):
    monkeypatch.setattr(doctor, "PACKAGE", "no-such-package")
    (finding,) = doctor.check_dependencies()
    assert (finding.level, finding.what) == (doctor.PROBLEM, "no-such-package is not installed")


@pytest.mark.parametrize(
    ("threads", "level", "words"),
    [(0, "OK", "cannot be told"), (1, "NOTE", "asks for no more"), (2, "OK", "2 threads on 2 cores")],
)
def test_what_is_said_of_a_blas_depends_on_its_threads(monkeypatch, threads, level, words):
    blas = {"user_api": "blas", "internal_api": "openblas", "version": "1", "num_threads": threads}
    monkeypatch.setattr("threadpoolctl.threadpool_info", lambda: [blas] if threads else [])
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1}, raising=False)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    (finding,) = doctor.check_blas()
    assert finding.level == getattr(doctor, level)
    assert words in finding.what


def test_free_memory_is_the_containers_where_that_has_less(monkeypatch):
    files = {"/proc/meminfo": "MemFree: 1 kB\nMemAvailable: 4000 kB\n"}
    container = "/sys/fs/cgroup/memory"

    def read_text(path, **_):
        if str(path) not in files:
            raise FileNotFoundError(path)
        return files[str(path)]

    monkeypatch.setattr(Path, "read_text", read_text)
    assert doctor.free_memory() == 4_096_000
    files |= {f"{container}.max": "max\n", f"{container}.current": "5000\n"}
    assert doctor.free_memory() == 4_096_000
    files[f"{container}.max"] = "1000000\n"
    assert doctor.free_memory() == 995_000
    del files["/proc/meminfo"]
    assert doctor.free_memory() is None


def test_a_network_that_learns_nothing_is_a_problem(monkeypatch):
    monkeypatch.setattr("tinygrad_edu.optim.Adam.step", lambda self: None)
    (finding,) = doctor.check_training()
    assert finding.level == doctor.PROBLEM
    assert "it does not learn" in finding.what
