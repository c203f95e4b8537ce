"""The places where cosmic-ray can change a file, and the changes that are worth a test: one line altered in each."""

from __future__ import annotations

import ast
import random
from dataclasses import dataclass
from pathlib import Path

import cosmic_ray.plugins
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code


@dataclass(frozen=True)
class Mutation:
    """One change of one file.

    Attributes
    ----------
    file : relative to the tree
    line : its number, from 1
    before, after : the line, without and with the change, stripped
    operator : cosmic-ray's name of the change
    code : the whole file, changed
    """

    file: str
    line: int
    before: str
    after: str
    operator: str
    code: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}  {self.before}  ->  {self.after}"


def places(root: Path, files: list[str]) -> list[tuple[str, str, list[tuple[str, int]]]]:
    """(file, family, [(operator, occurrence), ...]) of each place: a sum may become ten other things in one place.

    Annotations are left out: nothing looks at them while a program runs.
    """
    found: dict[tuple, list[tuple[str, int]]] = {}
    for file in files:
        source = (root / file).read_text(encoding="utf-8")
        nodes, silent = list(ast_nodes(get_ast(source))), annotations(source)
        for name in cosmic_ray.plugins.operator_names():
            kind = cosmic_ray.plugins.get_operator(name)
            if kind.arguments():  # these ask for names of variables
                continue
            operator = kind()
            positions = [position for node in nodes for position in operator.mutation_positions(node)]
            for occurrence, (start, end) in enumerate(positions):
                if not any(first <= start <= last for first, last in silent):
                    family = name.split("/")[1].split("_")[0]
                    found.setdefault((file, family, start, end), []).append((name, occurrence))
    return [(file, family, choices) for (file, family, *_), choices in found.items()]


def annotations(source: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """From where to where, (line, column), an annotation stands."""
    found = []
    for node in ast.walk(ast.parse(source)):
        for part in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if part is not None:
                found.append(((part.lineno, part.col_offset), (part.end_lineno, part.end_col_offset)))
    return found


def mutation(root: Path, file: str, name: str, occurrence: int) -> Mutation:
    source = (root / file).read_text(encoding="utf-8")
    code = mutate_code(source, cosmic_ray.plugins.get_operator(name)(), occurrence)
    assert code is not None, f"{file}: {name} has no occurrence {occurrence}"
    pairs = enumerate(zip(source.splitlines(), code.splitlines()), 1)
    line, (before, after) = next((number, pair) for number, pair in pairs if pair[0] != pair[1])
    return Mutation(file, line, before.strip(), after.strip(), name, code)


def drawn(root: Path, files: list[str], count: int | None, seed: int) -> tuple[int, list[Mutation]]:
    """How many places there are, and the mutations of `count` of them, one each; of all where `count` is None."""
    random_choice = random.Random(seed)
    everywhere = places(root, files)
    chosen = everywhere if count is None else random_choice.sample(everywhere, min(count, len(everywhere)))
    return len(everywhere), [mutation(root, file, *random_choice.choice(choices)) for file, _, choices in chosen]
