"""Who may import whom: the source is read, not run."""

import ast
import functools
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = "tinygrad_edu"

# Downwards only. A part may import itself and what stands here.
MAY_IMPORT = {
    "checks": "",
    "files": "",
    "markup": "",
    "notebook": "files",
    "backend": "checks",
    "runtime": "backend checks",
    "tensor": "backend checks",
    "ops": "tensor backend runtime markup checks",
    "textbook": "ops tensor backend checks",
    "gradcheck": "textbook ops tensor backend checks",
    "nn": "ops tensor backend markup checks",
    "optim": "tensor runtime backend checks",
    "metrics": "ops tensor backend checks",
    "inspection": "nn textbook ops tensor files markup backend checks",
    "data": "runtime checks",
    "plots": "files checks",
    "training": "nn optim data ops tensor runtime backend files markup checks",
    "interop": "inspection training nn tensor backend checks",
    "lessons": "__init__ notebook training inspection plots data gradcheck textbook nn optim ops tensor files checks",
    "doctor": "data gradcheck nn ops optim tensor backend checks",
    "__init__": "metrics nn ops optim tensor runtime backend checks",
}
# Who alone may import a library that is optional or slow to load.
LIBRARIES = {
    "cupy": {"backend"},
    "matplotlib": {"plots"},
    "PIL": {"plots"},
    "tqdm": {"training", "data"},
    "pooch": {"data"},
    "requests": {"data"},
    "urllib3": {"data"},
    "safetensors": {"training"},
    "mpi4py": {"training", "doctor"},
    "threadpoolctl": {"runtime", "doctor"},
    "torch": set(),
    "scipy": set(),
    "pandas": set(),
}
INSIDE_FUNCTIONS = {
    "cupy",
    "matplotlib",
    "mpi4py",
    "threadpoolctl",
    "concurrent",
    "resource",
}  # optional, or too slow for every start
INSIDE_BENCHMARKS = {"torch", "keras", "tensorflow", "jax", "resource"}


def files(folder):
    return sorted((ROOT / folder).rglob("*.py"))


def dotted(path):
    """tinygrad_edu/nn/init.py -> "tinygrad_edu.nn.init", tinygrad_edu/nn/__init__.py -> "tinygrad_edu.nn"."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {dotted(path): path for folder in (PACKAGE, "models", "benchmarks") for path in files(folder)}


@functools.cache
def imports(path):
    """(module, line, whether inside a function) of everything that a file imports; our modules by their full name."""
    found = []

    def visit(node, inside):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                found.extend((alias.name, child.lineno, inside) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{path}:{child.lineno}: a relative import"
                names = [f"{child.module}.{alias.name}" for alias in child.names]
                found.extend((name if name in MODULES else child.module, child.lineno, inside) for name in names)
            visit(child, inside or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda))

    visit(ast.parse(path.read_text(encoding="utf-8")), False)
    return found


def part(module):
    """tinygrad_edu.nn.init -> "nn"; the package itself is "__init__"."""
    return [*module.split("."), "__init__"][1]


def test_every_part_of_the_package_has_its_place():
    assert {part(module) for module in MODULES if module.split(".")[0] == PACKAGE} <= set(MAY_IMPORT)


@pytest.mark.parametrize("path", files(PACKAGE), ids=lambda path: str(path.relative_to(ROOT / PACKAGE)))
def test_imports_point_downwards(path):
    own = part(dotted(path))
    for module, line, _ in imports(path):
        if module.split(".")[0] in ("models", "benchmarks", "tests"):
            pytest.fail(f"{path}:{line}: the package imports {module}, which stands on it")
        if module.split(".")[0] == PACKAGE:
            allowed = {own, *MAY_IMPORT[own].split()}
            assert part(module) in allowed, f"{path}:{line}: {own} may not import {part(module)}"


@pytest.mark.parametrize("folder", ["models", "benchmarks"])
def test_models_and_benchmarks_stand_on_the_package_and_not_on_each_other(folder):
    other = {"models": "benchmarks", "benchmarks": "models"}[folder]
    twins = files("benchmarks/twins")  # each stands on the model script that it follows
    for path in (path for path in files(folder) if path not in twins):
        for module, line, _ in imports(path):
            assert module.split(".")[0] not in (other, "tests"), f"{path}:{line}: {module}"


def test_libraries_are_imported_where_they_belong_alone():
    for path in files(PACKAGE) + files("models"):
        own = part(dotted(path)) if dotted(path).startswith(PACKAGE) else "models"
        for module, line, _ in imports(path):
            library = module.split(".")[0]
            assert own in LIBRARIES.get(library, {own}), f"{path}:{line}: {own} may not import {library}"


def test_imports_stand_at_the_top_but_for_what_is_optional():
    for path in files(PACKAGE) + files("models") + files("benchmarks"):
        allowed = INSIDE_FUNCTIONS | (INSIDE_BENCHMARKS if dotted(path).startswith("benchmarks") else set())
        for module, line, inside in imports(path):
            late = module.split(".")[0] in allowed or path.name == "doctor.py"  # which runs where something is broken
            assert not inside or late, f"{path}:{line}: import {module} inside a function"


def test_there_is_no_cycle():
    graph = {name: {m for m, *_ in imports(path) if m in MODULES and m != name} for name, path in MODULES.items()}
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError


def test_the_check_sees_an_import_in_every_form(tmp_path):
    source = tmp_path / "sample.py"
    source.write_text(
        "import cupy.cuda as c, tinygrad_edu.nn\nfrom tinygrad_edu import ops, Tensor\n"
        "from tinygrad_edu.nn.init import zeros\nif True:\n    import torch\n"
        "def f():\n    import matplotlib.pyplot\n    class A:\n        from pooch import retrieve\n"
    )
    assert imports(source) == [
        *(("cupy.cuda", 1, False), ("tinygrad_edu.nn", 1, False), ("tinygrad_edu.ops", 2, False)),
        *(("tinygrad_edu", 2, False), ("tinygrad_edu.nn.init", 3, False), ("torch", 5, False)),
        *(("matplotlib.pyplot", 7, True), ("pooch", 9, True)),
    ]


def loaded_by(statement):
    code = f"import sys; {statement}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    return set(subprocess.check_output([sys.executable, "-c", code], text=True, cwd=ROOT).split())


def test_importing_the_package_loads_numpy_and_nothing_heavier():
    new = loaded_by("import tinygrad_edu") - loaded_by("import numpy, threading, contextlib, heapq, dataclasses")
    third_party = {name for name in new if name not in sys.stdlib_module_names and not name.startswith("_")}
    third_party -= {name for name in third_party if name.startswith("__editable__")}
    assert third_party <= {PACKAGE}
    assert not {"tqdm", "safetensors", "pooch", "requests", "matplotlib", "cupy", "torch", "urllib", "email"} & new
