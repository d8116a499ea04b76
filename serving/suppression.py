"""Small cells withheld, so that a table of counts tells of no group of fewer than eleven people.

CMS's cell size suppression policy (ResDAC, "CMS Cell Size Suppression Policy"): no cell of 1 to 10 may be shown, nor
found by subtraction from others. Zero may be shown. So a row that hides one cell hides a second; and since totals of
columns can stand in another table, they are taken as known too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SMALLEST_SHOWN = 11

Cell = tuple[int, int]
"""Row and column; the column after the last is the row's total."""


@dataclass(frozen=True, slots=True)
class ShownCounts:
    """A table of counts as it may be shown: None where a cell is withheld. ``totals`` are the rows'."""

    rows: tuple[tuple[int | None, ...], ...]
    totals: tuple[int | None, ...]

    @property
    def withheld(self) -> int:
        """How many cells are withheld."""
        return sum(cell is None for row in (*self.rows, self.totals) for cell in row)


def shown_counts(rows: Sequence[Sequence[int]]) -> ShownCounts:
    """The table with small cells withheld, and as many others as it takes that none can be found from the rest.

    Somebody who knows every total of rows that is shown, every total of columns, and that zeros are shown, can tell
    of no withheld cell what it holds, nor from one row or column alone that it is under eleven.
    """
    counts = [[*row, sum(row)] for row in rows]
    hidden = {cell for cell in _cells(counts) if 0 < _at(counts, cell) < SMALLEST_SHOWN}
    while more := _exposed(counts, hidden):
        hidden |= more
    shown = [[None if (r, c) in hidden else count for c, count in enumerate(row)] for r, row in enumerate(counts)]
    return ShownCounts(tuple(tuple(row[:-1]) for row in shown), tuple(row[-1] for row in shown))


def _exposed(counts: list[list[int]], hidden: set[Cell]) -> set[Cell]:
    """What has to be withheld next; empty when the table is safe, or holds nothing more that could be."""
    unsafe = [line for line in _lines(counts) if _is_unsafe(counts, [cell for cell in line if cell in hidden])]
    bridges = () if unsafe else _bridges(hidden)
    for row, column in bridges:
        unsafe += [[(row, c) for c in range(len(counts[0]))], [(r, column) for r in range(len(counts))]]
    more = {cell for cell in (_smallest_shown(counts, hidden, line) for line in unsafe) if cell is not None}
    # Nothing more to withhold in the lines themselves: then the whole table is.
    return more or ({cell for cell in _cells(counts) if _at(counts, cell)} - hidden if unsafe else set())


def _is_unsafe(counts: list[list[int]], inside: Sequence[Cell]) -> bool:
    return bool(inside) and not _ambiguous(counts, inside)


def _ambiguous(counts: list[list[int]], inside: Sequence[Cell]) -> bool:
    """Whether the withheld cells of one line could hold something else, each of them eleven or more."""
    total = len(counts[0]) - 1
    parts = [cell for cell in inside if cell[1] != total]
    if parts and len({row for row, _ in inside}) == 1 and len(parts) < len(inside):
        return True  # The row's total is withheld with a part of it: nothing is left to subtract from.
    spare = sum(_at(counts, cell) for cell in inside) - len(inside) + 1
    return len(inside) > 1 and spare >= SMALLEST_SHOWN


def _lines(counts: list[list[int]]) -> Iterator[list[Cell]]:
    columns = len(counts[0]) if counts else 0
    for row in range(len(counts)):
        yield [(row, column) for column in range(columns)]
    for column in range(columns):
        yield [(row, column) for row in range(len(counts))]


def _smallest_shown(counts: list[list[int]], hidden: set[Cell], line: Sequence[Cell]) -> Cell | None:
    total = len(counts[0]) - 1
    candidates = [cell for cell in line if cell not in hidden and _at(counts, cell) > 0]
    # A total goes last: it says most.
    return min(candidates, key=lambda cell: (cell[1] == total, _at(counts, cell), cell), default=None)


def _bridges(hidden: set[Cell]) -> list[Cell]:
    """Withheld cells that the sums determine although each line hides two.

    Every withheld cell stands in one row's sum and one column's. Taken as an edge between the two, its value is free
    where it lies on a cycle, and fixed where it is a bridge (Tarjan 1974).
    """
    ahead: dict[tuple[str, int], list[tuple[tuple[str, int], Cell]]] = defaultdict(list)
    for row, column in sorted(hidden):
        ahead["row", row].append((("column", column), (row, column)))
        ahead["column", column].append((("row", row), (row, column)))
    order: dict[tuple[str, int], int] = {}
    lowest: dict[tuple[str, int], int] = {}
    found: list[Cell] = []
    for root in ahead:
        if root in order:
            continue
        order[root] = lowest[root] = len(order)
        path: list[tuple[tuple[str, int], Cell | None, Iterator[tuple[tuple[str, int], Cell]]]] = [
            (root, None, iter(ahead[root]))
        ]
        while path:
            node, came_by, edges = path[-1]
            for there, edge in edges:
                if edge == came_by:
                    continue
                if there in order:
                    lowest[node] = min(lowest[node], order[there])
                    continue
                order[there] = lowest[there] = len(order)
                path.append((there, edge, iter(ahead[there])))
                break
            else:
                path.pop()
                if path and came_by is not None:
                    parent = path[-1][0]
                    lowest[parent] = min(lowest[parent], lowest[node])
                    if lowest[node] > order[parent]:
                        found.append(came_by)
    return found


def _cells(counts: list[list[int]]) -> Iterator[Cell]:
    return ((row, column) for row in range(len(counts)) for column in range(len(counts[row])))


def _at(counts: list[list[int]], cell: Cell) -> int:
    return counts[cell[0]][cell[1]]
