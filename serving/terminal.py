"""Tables on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from models.types import Route
from serving.bulk_triage import Triaged
from serving.fact_words import spoken

if TYPE_CHECKING:
    from serving.doctor import Finding

_NARROWEST = 120
"""Columns where the output is no terminal: wide enough that an id is never folded."""


def show(renderable: RenderableType) -> None:
    """Print to standard output, in colour only where that is a terminal."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_NARROWEST)
    console.print(renderable)


def finding_table(findings: Sequence[Finding]) -> Table:
    """Check, state, what was found and what to do: one line a finding."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("Check", "State"):
        table.add_column(title, no_wrap=True)
    for title in ("Found", "What to do"):
        table.add_column(title, overflow="fold")
    colours = {"ok": "green", "warn": "yellow", "fail": "bold red"}
    for finding in findings:
        state = Text(finding.state, style=colours[finding.state])
        table.add_row(Text(finding.check), state, Text(finding.found), Text(finding.advice))
    return table


def result_table(results: Sequence[Triaged]) -> Table:
    """Request, service, route, main reason, due: one line a request."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("Request", no_wrap=True)
    table.add_column("Service", no_wrap=True)
    table.add_column("Route", no_wrap=True)
    table.add_column("Main reason", overflow="fold")
    table.add_column("Due", no_wrap=True)
    for result in results:
        fast = result.route == Route.FAST_TRACK.value
        table.add_row(
            Text(result.external_id),
            Text(result.service),
            Text(spoken(result.route), style="green" if fast else ""),
            Text(result.reason),
            Text(_due(result.due_at)),
        )
    return table


def _due(due_at: datetime) -> str:
    return due_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
