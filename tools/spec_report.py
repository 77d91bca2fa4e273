"""Which rows of docs/spec_rows.txt the tests name, and where.

Reads the markers `@pytest.mark.spec("K4.5.6", ...)` without importing a test. A row
that spans several equations answers to each of them: K4.5.5-7 to K4.5.5, K4.5.6 and
K4.5.7. It counts as covered when it is named as a whole or by all its equations.

Run: python tools/spec_report.py [--json]
Exit code: 0, or 1 when a test names a row that does not exist.
"""

import argparse
import ast
import difflib
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SECTIONS = {
    "S0": "Sobolev training",
    "S1": "Jacobian matching",
    "S2": "derivatives as networks",
    "S3": "operators from products",
    "K1": "automatic differentiation",
    "K2": "information",
    "K3": "probability, likelihood",
    "K4": "optimization",
    "K5": "architectures",
    "K6": "generalization",
    "K7": "unsupervised learning",
    "K8": "reinforcement learning",
}


class SpecError(Exception):
    """A marker or a row list that cannot be used; the message says where and why."""


@dataclass
class Row:
    """One row, the equations it answers to, and the tests that name each of them."""

    id: str
    category: str
    name: str
    answers: tuple[str, ...]
    tests: dict[str, list[str]] = field(default_factory=dict)

    @property
    def section(self) -> str:
        """The document and chapter of the row: `S0` or `K4`."""
        return re.split(r"[./]", self.id)[0]

    @property
    def covered(self) -> bool:
        """Whether tests name the row as a whole or all its equations."""
        equations = self.answers[1:]
        by_parts = bool(equations) and all(one in self.tests for one in equations)
        return self.id in self.tests or by_parts


def answers(row: str) -> tuple[str, ...]:
    """Returns the row's own id, then one id for each equation it spans."""
    spans = re.fullmatch(r"(.*\.)(\d+)-(\d+)", row)
    if spans is None:
        return (row,)
    first, last = int(spans[2]), int(spans[3])
    return (row, *(f"{spans[1]}{n}" for n in range(first, last + 1)))


def read_rows(path: Path) -> list[Row]:
    """Reads the rows and checks that no id is answered by two of them."""
    rows, owner = [], {}
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        parts = line.split("\t")
        if len(parts) != 3:
            raise SpecError(
                f"{path.name}:{number}: {len(parts)} cells, expected 3: id, cat, name."
            )
        row = Row(*parts, answers(parts[0]))
        for one in row.answers:
            if one in owner:
                raise SpecError(
                    f"{path.name}:{number}: {one} lies in {owner[one]} and {row.id}."
                )
            owner[one] = row.id
        rows.append(row)
    return rows


def is_spec(node: ast.AST) -> bool:
    """Whether the node is `pytest.mark.spec` or `mark.spec`."""
    if not (isinstance(node, ast.Attribute) and node.attr == "spec"):
        return False
    owner = node.value
    return getattr(owner, "attr", getattr(owner, "id", None)) == "mark"


def markers(path: Path) -> Iterator[tuple[str, int, str]]:
    """Yields (id, line, test) for every id in the file.

    The test is the function or class that the marker decorates, or that it stands in.
    """
    tree = ast.parse(path.read_text("utf-8"), filename=str(path))

    def walk(node: ast.AST, inside: str) -> Iterator[tuple[str, int, str]]:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inside = f"{inside}::{node.name}"
        if isinstance(node, ast.Call) and is_spec(node.func):
            if not node.args or node.keywords:
                raise SpecError(f"{path}:{node.lineno}: a spec marker takes row ids.")
            for argument in node.args:
                value = getattr(argument, "value", None)
                if not isinstance(value, str):
                    raise SpecError(
                        f"{path}:{argument.lineno}: a spec marker takes plain strings,"
                        f" not {ast.unparse(argument)}."
                    )
                yield value, argument.lineno, inside
        for child in ast.iter_child_nodes(node):
            yield from walk(child, inside)

    yield from walk(tree, path.as_posix())


def collect(rows: list[Row], tests: Path) -> list[str]:
    """Notes in each row the tests that name it; returns what is wrong."""
    by_id = {one: row for row in rows for one in row.answers}
    wrong = []
    for path in sorted(tests.rglob("*.py")):
        for name, line, test in markers(path):
            where = test.replace(tests.parent.as_posix() + "/", "", 1)
            if name in by_id:
                by_id[name].tests.setdefault(name, []).append(where)
                continue
            close = difflib.get_close_matches(name, by_id, n=1, cutoff=0.5)
            hint = f" Did you mean {close[0]}?" if close else ""
            wrong.append(f"{where} (line {line}): no row {name!r}.{hint}")
    return wrong


def table(rows: list[Row]) -> str:
    """Returns the counts by section, then the rows that tests name."""
    lines = [f"{'section':<32} {'covered':>7} {'in part':>7} {'rows':>5}"]
    for section in [*dict.fromkeys(row.section for row in rows), ""]:
        some = [row for row in rows if section in ("", row.section)]
        title = f"{section} {SECTIONS.get(section, '')}" if section else "all"
        full = sum(row.covered for row in some)
        part = sum(bool(row.tests) for row in some) - full
        lines.append(f"{title:<32} {full:>7} {part:>7} {len(some):>5}")
    lines.append("")
    for row in rows:
        for name, tests in sorted(row.tests.items()):
            note = "" if name == row.id else f" (of {row.id})"
            lines.append(f"{name}{note}: {row.name}")
            lines.extend(f"    {test}" for test in tests)
    return "\n".join(lines).rstrip()


def as_json(rows: list[Row]) -> str:
    """Returns the same as one JSON object."""
    return json.dumps(
        {
            "rows": len(rows),
            "covered": sum(row.covered for row in rows),
            "in_part": sum(bool(row.tests) and not row.covered for row in rows),
            "by_row": {
                row.id: {
                    "section": row.section,
                    "category": row.category,
                    "name": row.name,
                    "covered": row.covered,
                    "tests": row.tests,
                }
                for row in rows
            },
        },
        indent=2,
        ensure_ascii=False,
    )


def main() -> int:
    """Prints the report; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rows", type=Path, default=ROOT / "docs" / "spec_rows.txt")
    parser.add_argument("--tests", type=Path, default=ROOT / "tests")
    options = parser.parse_args()
    try:
        rows = read_rows(options.rows)
        wrong = collect(rows, options.tests)
    except SpecError as error:
        wrong = [str(error)]
    if wrong:
        print("\n".join(wrong), file=sys.stderr)
        return 1
    print(as_json(rows) if options.json else table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
