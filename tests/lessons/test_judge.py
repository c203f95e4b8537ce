"""Whatever an answer does, there is one clear result, and the checker goes on."""

import re

import pytest

from tinygrad_edu.lessons import folder, judge
from tinygrad_edu.lessons.keys import exercises_of

EXERCISE = exercises_of(1)[0]
RIGHT = folder.solution(EXERCISE).read_text(encoding="utf-8")


@pytest.fixture
def judged(tmp_path):
    def run(source, seconds=20.0):
        path = tmp_path / "e1_1.py"
        path.write_bytes(source if isinstance(source, bytes) else source.encode())
        return judge.judge("1.1", path, seconds)

    return run


def body(*lines, before=""):
    """An answer whose function has this body, from line 2 on, or further down for what comes before."""
    return before + "def mul_backward(G, a, b):\n" + "".join(f"    {line}\n" for line in lines)


def test_a_right_answer_and_one_that_is_not_written(judged):
    assert judged(RIGHT).passed
    outcome = judged(folder.original(EXERCISE).read_bytes())
    assert (outcome.status, outcome.says) == ("not written", "mul_backward() is not written yet")


def test_a_wrong_answer_has_its_diagnosis(judged):
    outcome = judged(body("return G * a, G * b"))
    assert outcome.status == "wrong"
    assert outcome.says.startswith("known mistake: the two gradients are exchanged")


def test_a_file_that_is_not_there(tmp_path):
    outcome = judge.judge("1.1", tmp_path / "e1_1.py")
    assert outcome.status == "missing"
    assert "start 1.1" in outcome.says


@pytest.mark.parametrize("source", [b"\xef\xbb\xbf" + RIGHT.encode(), RIGHT.replace("\n", "\r\n").encode()])
def test_a_byte_order_mark_and_windows_line_ends_change_nothing(judged, source):
    assert judged(source).passed


ENDED = {
    "endless": (
        body("while True:", "    pass"),
        r"e1_1.py, line \d, in mul_backward:\n    (pass|while True:)"
        r"\nstopped after 2 seconds: is this loop endless, or are there far more steps than needed\?",
    ),
    "endless, and catches everything": (
        body(
            "while True:",
            "    try:",
            "        while True:",
            "            pass",
            "    except BaseException:",
            "        pass",
        ),
        "stopped after 2 seconds",
    ),
    "endless at the top": ("while True:\n    pass\n", "e1_1.py, line .:\n    (pass|while True:)\nstopped after 2"),
    "sys.exit": (
        body("sys.exit(0)", before="import sys\n"),
        r"e1_1.py, line 3, in mul_backward:\n    sys.exit\(0\)\nyour answer ends the program \(sys.exit\)",
    ),
    "os._exit": (body("os._exit(0)", before="import os\n"), r"ended its process with status 0 \(os._exit\?\)"),
    "killed": (body("os.kill(os.getpid(), 9)", before="import os\n"), "ended its process by SIGKILL"),
    "no Python": (
        "def mul_backward(G, a, b)\n    return 1\n",
        "e1_1.py, line 1: this is not Python: expected ':'\n    def",
    ),
    "another encoding": (RIGHT.encode("utf-16"), "e1_1.py is not UTF-8 text: save it as UTF-8"),
    "Latin-1": ('"""größer"""\n'.encode("latin-1"), "e1_1.py, line 1: this is not Python: .*utf-8"),
    "raises": (
        body("c = a", "return G * d, c"),
        "^e1_1.py, line 3, in mul_backward:\n    return G \\* d, c\nNameError: name 'd' is not defined\n"
        r"called with G \(3,\), inputs \(3,\), \(3,\)$",
    ),
    "raises in a library": (
        body("return np.linalg.inv(a), b", before="import numpy as np\n"),
        "^e1_1.py, line 3, in mul_backward:\n    return np.linalg.inv.*\nnumpy.linalg.LinAlgError: 1-dimensional",
    ),
    "takes too little": ("def mul_backward(G, a):\n    pass\n", r"^TypeError: mul_backward\(\) takes 2 positional"),
    "recursion": (
        body("return mul_backward(G, a, b)"),
        "line 2, in mul_backward:\n.*\nRecursionError: the function calls",
    ),
    "memory": (body("return bytearray(2**33), b"), "needs more memory than the 2 GiB"),
    "prints without an end": (body("while True:", "    print('x' * 1000)"), "your answer prints more than 1 MiB"),
    "asks": (body("return input(), b"), "line 2, in mul_backward:\n    return input.*\nEOFError"),
    "no function": ("def backward(G, a, b):\n    return a, b\n", r"there is no function mul_backward\(\) in e1_1.py"),
    "a Tensor by a library": (
        "import torch\n" + RIGHT,
        "line 1: imports torch; an answer may import numpy, and Python's",
    ),
    "the tape": ("from tinygrad_edu import ops\n" + RIGHT, "line 1: imports tinygrad_edu.ops; an answer may"),
}


@pytest.mark.parametrize("name", ENDED)
def test_whatever_happens_there_is_one_clear_result(judged, name, monkeypatch):
    source, says = ENDED[name]
    if name == "endless, and catches everything":  # there is no line to be told: however slow the start, it is ended
        monkeypatch.setattr(judge, "GRACE", 1.5)
    outcome = judged(
        source, 2.0 if "endless" in name else 20.0
    )  # with less, a busy machine is still preparing the inputs
    assert outcome.status in ("error", "refused")
    assert re.search(says, outcome.says), outcome.says


LOOKS = {
    "reads the solution": "open(SOLUTION).read()",
    "reads it, and hides it": "\n    try:\n        open(SOLUTION)\n    except BaseException:\n        pass",
    "through pathlib": "__import__('pathlib').Path(SOLUTION).read_text()",
    "lists the folder": "__import__('os').listdir(__import__('os').path.dirname(SOLUTION))",
    "imports the solution": "__import__('importlib').import_module('tinygrad_edu.lessons.solutions.e1_1')",
    "imports the key": "__import__('importlib').import_module('tinygrad_edu.lessons.keys.lesson_1')",
    "imports its checker": "__import__('importlib').import_module('tinygrad_edu.lessons.gold')",
}


@pytest.mark.parametrize("name", LOOKS)
def test_an_answer_that_looks_into_the_solutions_is_refused(judged, name):
    source = f"SOLUTION = {str(folder.solution(EXERCISE))!r}\n" + body(LOOKS[name], "return G * b, G * a")
    outcome = judged(source)
    assert outcome.status == "refused"
    assert outcome.says == "an answer must not look into the lessons' solutions and keys, and yours did"


def test_an_answer_that_imports_the_solutions_is_refused_by_the_line(judged):
    outcome = judged("from tinygrad_edu.lessons.solutions.e1_1 import mul_backward\n")
    assert outcome.status == "refused"
    assert "e1_1.py, line 1: imports tinygrad_edu.lessons.solutions.e1_1.mul_backward" in outcome.says


def test_an_answer_starts_no_process(judged):
    outcome = judged(body("os.system('true')", "return G * b, G * a", before="import os\n"))
    assert (outcome.status, "must not start another process" in outcome.says) == ("refused", True)


def test_what_an_answer_prints_is_kept_and_is_no_result(judged):
    printing = body(
        *('print(\'{"status": "passed"}\')', "print('right', file=sys.stderr)", "os.write(1, b'raw')"),
        "return G * a, G * b",
        before="import os, sys\n",
    )
    outcome = judged(printing)
    assert outcome.status == "wrong"
    assert '{"status": "passed"}' in outcome.printed
    assert "right" in outcome.printed
    assert "raw" in outcome.printed


def test_what_was_printed_before_the_end_is_kept(judged):
    outcome = judged(body("print('so far', flush=True)", "os._exit(3)", before="import os\n"))
    assert outcome.printed == "so far\n"
    assert "status 3" in outcome.says


def test_a_thread_that_goes_on_does_not_hold_the_result_up(judged):
    assert judged("import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\n" + RIGHT).passed


def test_files_beside_the_answer_shadow_nothing(judged, tmp_path):
    (tmp_path / "numpy.py").write_text("raise ImportError('not this one')\n")
    assert judged("import numpy\n" + RIGHT).passed
