"""``greenlane doctor``: the findings as a table or as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array instead of the table.")] = False,
) -> None:
    """Look at all that a deployment needs, and say what to do. Exit 1 where something fails."""
    from serving.doctor import examine
    from serving.records import dumps
    from serving.terminal import finding_table, show

    findings = examine()
    if as_json:
        typer.echo(dumps([asdict(finding) for finding in findings]))
    else:
        show(finding_table(findings))
    if any(finding.state == "fail" for finding in findings):
        raise typer.Exit(1)
