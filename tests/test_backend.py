"""Finding the array library and the device without CuPy; with its stand-in, see test_strict_array.py."""

import importlib.util
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from tinygrad_edu import DeviceError, Tensor, nn, resolve_device
from tinygrad_edu.backend import array_module, device_of, is_array, scatter_add, to_device, to_numpy

ROOT = Path(__file__).resolve().parent.parent
no_cupy = pytest.mark.skipif(importlib.util.find_spec("cupy") is not None, reason="CuPy is installed")


def test_numpys_arrays_and_scalars_belong_to_numpy():
    for x in (np.zeros(2), np.float32(1), np.zeros(2).view(np.recarray), 1.0):
        assert array_module(x) is np
        assert device_of(x) == "cpu"
    assert is_array(np.zeros(()))
    for x in (np.float32(1), 1.0, [1.0], Tensor(1.0)):
        assert not is_array(x)


def test_what_is_on_the_cpu_already_is_not_copied():
    x = np.zeros(3)
    assert to_device(x, "cpu") is x
    assert to_numpy(x) is x
    t = Tensor(x, requires_grad=True)
    assert t.to("cpu") is t


@pytest.mark.parametrize("name", ["gpu", "CUDA", "cuda:0", "", None, 0])
def test_an_unknown_device_is_refused_and_the_known_ones_are_named(name):
    for refused in (resolve_device, Tensor(1.0).to, nn.Linear(1, 1).to):
        with pytest.raises(ValueError, match=r"unknown device .*expected 'auto', 'cpu' or 'cuda'"):
            refused(name)


@no_cupy
def test_without_cupy_cuda_is_refused_with_the_extras_to_install_and_auto_is_the_cpu():
    for refused in (lambda: resolve_device("cuda"), lambda: Tensor(1.0).to("cuda"), lambda: nn.Linear(1, 1).to("cuda")):
        with pytest.raises(DeviceError, match=r"(?s)needs CuPy.*No module named 'cupy'.*\[cuda13\].*\[cuda12\].*'cpu'"):
            refused()
    assert resolve_device("auto") == "cpu"
    assert Tensor(1.0).to("auto").device == "cpu"


def test_a_cupy_that_cannot_be_loaded_is_reported_with_its_own_message(monkeypatch):
    class Finder:
        def find_spec(self, name, *_):
            if name == "cupy":
                raise OSError("libcudart.so.13: cannot open shared object file")

    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    with pytest.raises(DeviceError, match=r"could not be imported \(libcudart\.so\.13"):
        resolve_device("cuda")
    assert resolve_device("auto") == "cpu"


def test_the_extras_bring_the_compiler_and_the_matrix_products_that_cupy_alone_lacks():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert extras["cuda12"] == ["cupy-cuda12x[ctk]>=14"]
    assert extras["cuda13"] == ["cupy-cuda13x[ctk]>=14"]


def test_scattered_additions_count_every_repeat():
    target = np.zeros((3, 2))
    scatter_add(target, [0, 2, 2], np.ones((3, 2)))
    assert target.tolist() == [[1, 1], [0, 0], [2, 2]]
    scatter_add(target, np.array([True, False, False]), np.ones((1, 2)))
    assert target[0].tolist() == [2, 2]
