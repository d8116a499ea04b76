"""The facts of single notes, for ``greenlane extract``: as JSON, as a table, as one standalone page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from rich.table import Table
from rich.text import Text

from features.extract import extract
from features.types import Document, Fact
from models.result import fact_to_json
from serving.fact_words import assertion_words, spoken
from serving.note_files import Note

DOCUMENT_ID = "d1"


@dataclass(frozen=True, slots=True)
class ReadNote:
    """A note and what was read from it."""

    place: str
    document: Document
    facts: tuple[Fact, ...]


def read_note(note: Note) -> ReadNote:
    """Read one note as an undated document."""
    document = Document(DOCUMENT_ID, note.text or "")
    if note.read is not None:
        document = note.read.applied_to(document)
    return ReadNote(note.place, document, tuple(extract([document])))


def facts_as_json(read: ReadNote, *, alone: bool) -> str:
    """A JSON list of facts where the note stands alone, else one line with the place it came from."""
    facts = [fact_to_json(fact) for fact in read.facts]
    return json.dumps(facts, indent=2) if alone else json.dumps({"note": read.place, "facts": facts})


def facts_as_table(notes: Sequence[ReadNote]) -> Table:
    """A table for the terminal, one line a fact."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("Note", "Offsets", "Text", "Concept", "Section", "Assertion", "Value"):
        table.add_column(heading, overflow="fold")
    for read in notes:
        for fact in read.facts:
            value = "" if fact.value is None else f"{fact.value} {fact.unit or ''}".strip()
            cells = (
                read.place,
                f"{fact.start}-{fact.end}",
                fact.text,
                spoken(fact.concept),
                spoken(fact.section),
                assertion_words(fact.assertion),
                value,
            )
            table.add_row(*(Text(cell) for cell in cells))
    return table


def facts_as_html(notes: Sequence[ReadNote]) -> str:
    """One page that needs no server: the notes as they stand, their facts marked."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    from serving.marked_text import marked_text

    environment = Environment(
        loader=PackageLoader("serving"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = files("serving").joinpath("static/greenlane.css").read_text(encoding="utf-8")
    shown = [(read.place, marked_text(read.document, read.facts)) for read in notes]
    return environment.get_template("facts.html").render(
        notes=shown,
        style=Markup(style),  # noqa: S704  (our own file)
    )
