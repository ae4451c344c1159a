"""The small changes of a package, each of them the source of a file with one change in it, by mutmut's operators."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.file_mutation import MutationVisitor
from mutmut.mutation.mutators import mutation_operators
from mutmut.mutation.pragma_handling import IgnoredCode


@dataclass(frozen=True)
class Mutant:
    """A change.

    Attributes:
        file: which it changes, from the repository's root.
        number: among those of the file.
        line: on which what is changed begins.
        source: of the changed file.
        change: the lines that differ, as a diff.
    """

    file: str
    number: int
    line: int
    source: str
    change: str

    @property
    def name(self) -> str:
        return f"{self.file}:{self.line}#{self.number}"


def sample(root: Path, files: Iterable[str], n: int | None, seed: int) -> Iterator[Mutant]:
    """So many of the changes of these files, drawn by chance, or all of them. A larger sample holds a smaller one."""
    numbered = [(file, number) for file in files for number in range(len(_Changes.of(root, file).found))]
    by_chance = sorted(numbered, key=lambda one: hashlib.sha256(f"{seed} {one}".encode()).digest())
    drawn: dict[str, list[int]] = {}
    for file, number in by_chance[:n]:
        drawn.setdefault(file, []).append(number)
    for file, numbers in drawn.items():
        changes = _Changes.of(root, file)
        for number in numbers:
            yield changes.mutant(file, number)


class _Changes(MutationVisitor):
    """mutmut's changes of a file.

    mutmut itself leaves out functions with decorators and what is run when a module is imported, since it switches its
    mutants on and off within one process. Here each has a process, and these are changed too; type checkers' imports
    and the names of type variables are not.
    """

    def __init__(self, module: cst.Module) -> None:
        super().__init__(mutation_operators, IgnoredCode(set(), set(), set()))
        self.found: list[tuple[cst.CSTNode, cst.CSTNode, int]] = []
        self.module = MetadataWrapper(module).visit(self)

    @classmethod
    def of(cls, root: Path, file: str) -> _Changes:
        return cls(cst.parse_module((root / file).read_text()))

    def mutant(self, file: str, number: int) -> Mutant:
        before, after, line = self.found[number]
        source = self.module.deep_replace(before, after).code
        diff = difflib.unified_diff(self.module.code.splitlines(), source.splitlines(), n=0, lineterm="")
        change = "\n".join(one for one in diff if one[:3] not in ("---", "+++") and one[0] != "@")
        return Mutant(file, number, line, source, change)

    def _create_mutations(self, node: cst.CSTNode) -> None:
        before = len(self.mutations)
        super()._create_mutations(node)
        line = self.get_metadata(PositionProvider, node).start.line
        self.found += [(one.original_node, one.mutated_node, line) for one in self.mutations[before:]]

    def _skip_node_and_children(self, node: cst.CSTNode) -> bool:
        match node:
            case cst.FunctionDef():
                return False
            case cst.If(test=cst.Name("TYPE_CHECKING")):
                return True
            case cst.Call(func=cst.Name("TypeVar" | "cast")):
                return True
        return super()._skip_node_and_children(node)
