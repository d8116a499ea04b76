"""The drift report for people: a table on the terminal, and one page of HTML that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from rich.console import Console
from rich.table import Table
from rich.text import Text

from training.drift import DriftReport, FamilyWatch, Share, Shift

_SHOWN_FEATURES = 5
_NARROWEST = 120
_COLOURS = {"stop": "bold red", "moved": "bold red", "watch": "yellow", "open": "", "supported": "green"}
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1b2733}"
    "table{border-collapse:collapse;width:100%;margin:.5rem 0 2rem}"
    "th,td{text-align:left;padding:.35rem .7rem;border-bottom:1px solid #c9d3dc;vertical-align:top}"
    "td.n{text-align:right;font-variant-numeric:tabular-nums}.stop,.moved{color:#a30f1f;font-weight:600}"
)


def stop_command(family: str) -> str:
    """The command that stops a family's fast lane at once."""
    return f'greenlane fast-track off --family {family} --why "drift: the certificate is no longer supported"'


def print_report(report: DriftReport) -> None:
    """Print families, shares, score and the features that moved most."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_NARROWEST)
    console.print(
        f"{report.requests} requests from {report.first_day} to {report.last_day} against {report.model}",
        highlight=False,
    )
    families = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("Family", "Requests", "Audited", "Wrong", "At most", "Certified", "Exchangeable", "Stands"):
        families.add_column(name, no_wrap=True)
    families.add_column("Why", overflow="fold")
    for watch in report.families:
        cells = _family_cells(watch)
        families.add_row(*cells[:-2], Text(cells[-2], style=_COLOURS.get(watch.standing, "")), cells[-1])
    console.print(families)
    moved = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("Shift", "Then", "Now", "PSI", "By chance", "Level"):
        moved.add_column(name, no_wrap=True)
    for row in _shift_rows(report, report.features[:_SHOWN_FEATURES]):
        moved.add_row(*row[:-1], Text(row[-1], style=_COLOURS.get(row[-1], "")))
    console.print(moved)
    if report.unseen_codes:
        console.print(f"codes never trained on: {', '.join(report.unseen_codes)}", highlight=False)


def report_page(report: DriftReport) -> str:
    """The report as one HTML page without scripts or anything to fetch."""
    head = ("Family", "Requests", "Audited", "Wrong", "At most", "Certified", "Exchangeable", "Stands", "Why")
    stops = "".join(
        f"<p class=stop>Stop {escape(f)}: <code>{escape(stop_command(f))}</code></p>" for f in report.to_stop
    )
    unseen = f"<p>Codes never trained on: {escape(', '.join(report.unseen_codes))}</p>" if report.unseen_codes else ""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Drift of {escape(report.model)}</title>'
        f"<style>{_STYLE}</style><h1>Drift of {escape(report.model)}</h1>"
        f"<p>{report.requests} requests received from {report.first_day} to {report.last_day}, checked "
        f"{escape(report.checked_at)}.</p>{stops}<h2>What the blind audit shows</h2>"
        f"{_html_table(head, [_family_cells(watch) for watch in report.families])}<h2>What moved</h2>"
        f"{_html_table(('Shift', 'Then', 'Now', 'PSI', 'By chance', 'Level'), _shift_rows(report, report.features))}"
        f"{unseen}</html>\n"
    )


def _family_cells(watch: FamilyWatch) -> list[str]:
    exchangeable = {True: "yes", False: "no", None: "too few"}[watch.exchangeable]
    return [
        watch.family,
        str(watch.requests),
        str(watch.audited),
        str(watch.errors),
        f"{watch.upper:.1%}" if watch.audited else "",
        f"{watch.target:.1%}",
        exchangeable,
        watch.standing,
        watch.why,
    ]


def _shift_rows(report: DriftReport, features: Sequence[Shift]) -> list[list[str]]:
    return [
        *(_share_cells(share) for share in report.shares),
        *(_shift_cells(shift) for shift in (report.score, *features)),
    ]


def _share_cells(share: Share) -> list[str]:
    return [share.name, f"{share.reference:.1%}", f"{share.served:.1%}", "", "", share.level]


def _shift_cells(shift: Shift) -> list[str]:
    return [shift.name, "", "", f"{shift.psi:.3f}", f"{shift.noise:.3f}", shift.level]


def _html_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(_html_cell(cell) for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _html_cell(cell: str) -> str:
    number = cell.replace(".", "").replace("%", "").isdigit()
    name = "n" if number else cell if cell in ("stop", "moved") else ""
    return f'<td class="{name}">{escape(cell)}</td>' if name else f"<td>{escape(cell)}</td>"
