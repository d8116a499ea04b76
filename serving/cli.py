"""The command line. Exit codes: 0 done, 1 done but some inputs failed (each named on stderr), 2 bad usage or input.

Everything heavy is imported inside the commands, so ``greenlane --help`` answers at once.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from typer.core import TyperGroup

from serving.audit_cli import audit_app
from serving.backup_commands import backup, restore
from serving.clock_commands import clocks_due
from serving.doctor_command import doctor
from serving.encryption_commands import encryption_app
from serving.job_commands import jobs_app, work_command
from serving.keeping_commands import hold_app, member_app, retention_app
from serving.key_commands import keys_app
from serving.opened_store import OfTenant
from serving.opened_store import opened_store as _store
from serving.people_commands import people_app
from serving.tenant_commands import tenants_app
from serving.webhook_commands import webhooks_app

if TYPE_CHECKING:
    from serving.documents.pool import ReadingPool
    from serving.reading import Reader

DONE = 0
SOME_FAILED = 1
UNUSABLE = 2

Item = TypeVar("Item")


class _OneLineErrors(TyperGroup):
    """An error of ours is one line on stderr and exit code 2, whichever command met it."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().main(*args, **kwargs)
        except Exception as error:
            from features.errors import FeaturesError
            from models.errors import TurnaroundError
            from serving.errors import ServingError

            if not isinstance(error, (FeaturesError, TurnaroundError, ServingError)):
                raise
            typer.echo(f"greenlane: {error}", err=True)
            sys.exit(UNUSABLE)


app = typer.Typer(
    name="greenlane",
    cls=_OneLineErrors,
    help="Triage for prior authorization: reads the notes, checks the coverage policy, fast-tracks only what is "
    "provably safe. It never denies.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
policies_app = typer.Typer(help="Coverage policies.", no_args_is_help=True, rich_markup_mode=None)
evaluate_app = typer.Typer(help="Hold triage or assertion against expected answers.", no_args_is_help=True)
app.add_typer(policies_app, name="policies")
app.add_typer(evaluate_app, name="evaluate")
clocks_app = typer.Typer(help="When decisions are due: turnaround rules.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(clocks_app, name="clocks")
clocks_app.command("due")(clocks_due)
export_app = typer.Typer(help="Write what the store holds to files.", no_args_is_help=True, rich_markup_mode=None)
import_app = typer.Typer(help="Take into the store what was decided elsewhere.", no_args_is_help=True)
fast_track_app = typer.Typer(
    help="The fast lane of each service family: off, on, status. A running service sees it at once.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(export_app, name="export")
app.add_typer(import_app, name="import")
app.add_typer(fast_track_app, name="fast-track")
app.add_typer(audit_app, name="audit")
app.add_typer(people_app, name="people")
app.command("backup")(backup)
app.command("restore")(restore)
app.command("doctor")(doctor)
app.add_typer(keys_app, name="keys")
app.add_typer(tenants_app, name="tenants")
app.add_typer(jobs_app, name="jobs")
app.command("work")(work_command)
app.add_typer(webhooks_app, name="webhooks")
app.add_typer(encryption_app, name="encryption")
app.add_typer(retention_app, name="retention")
app.add_typer(hold_app, name="hold")
app.add_typer(member_app, name="member")


class ResultFormat(StrEnum):
    """How ``triage`` prints."""

    TABLE = "table"
    JSONL = "jsonl"
    JSON = "json"


class FactFormat(StrEnum):
    """How ``extract`` prints."""

    JSON = "json"
    HTML = "html"
    TABLE = "table"


def main() -> None:
    """The console script."""
    app()


def _version(wanted: bool) -> None:
    if wanted:
        from models.versions import pipeline_version

        typer.echo(f"greenlane {pipeline_version()}")
        raise typer.Exit(DONE)


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the pipeline version.")
    ] = False,
) -> None:
    del version


@app.command("triage")
def triage_command(
    files: Annotated[list[str], typer.Argument(help="Requests as JSON or JSON Lines; - reads standard input.")],
    output: Annotated[
        ResultFormat | None, typer.Option("--format", help="Table on a terminal, JSON Lines otherwise.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, max=256, help="Processes that read, each with the model in memory.")] = 1,
    out: Annotated[Path | None, typer.Option(help="File to write results to, JSON Lines. It will hold notes.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on in the file of --out; requests with a result there are left out.")
    ] = False,
) -> None:
    """Route requests and print the results. Nothing is stored."""
    from serving.triage_command import triage_files

    if out is not None and output not in (None, ResultFormat.JSONL):
        raise typer.BadParameter("is always JSON Lines in a file", param_hint="--format")
    if resume and out is None:
        raise typer.BadParameter("needs the file of --out", param_hint="--resume")
    chosen = output or (ResultFormat.TABLE if sys.stdout.isatty() else ResultFormat.JSONL)
    done, failed = triage_files(files, jobs=jobs, out=out, resume=resume, output=chosen.value)
    if not done:
        raise typer.Exit(UNUSABLE)
    if out is not None:
        typer.echo(f"{done} results in {out}, {failed} inputs failed")
    raise typer.Exit(SOME_FAILED if failed else DONE)


@app.command("extract")
def extract_command(
    notes: Annotated[
        list[str],
        typer.Argument(help="Notes as text, PDF, RTF, DOCX, HTML, C-CDA, FHIR or pictures; - is standard input."),
    ],
    output: Annotated[FactFormat | None, typer.Option("--format", help="Table on a terminal, JSON otherwise.")] = None,
    jsonl: Annotated[
        str | None, typer.Option("--jsonl", metavar="FIELD", help="The files are JSON Lines; notes stand in FIELD.")
    ] = None,
) -> None:
    """Print the facts of notes: a JSON list for one note, JSON Lines for several."""
    from serving.note_files import notes_of
    from serving.note_reading import facts_as_html, facts_as_json, facts_as_table, read_note

    chosen = output or (FactFormat.TABLE if sys.stdout.isatty() else FactFormat.JSON)
    with _reading_pool() as pool:
        found = list(notes_of(notes, field=jsonl, pool=pool))
    failed = _name_failures((note.place, note.problems) for note in found)
    readable = [note for note in found if note.text is not None]
    if not readable:
        raise typer.Exit(UNUSABLE)
    if chosen is FactFormat.HTML:
        typer.echo(facts_as_html([read_note(note) for note in _progress(readable, "Reading notes")]), nl=False)
    elif chosen is FactFormat.TABLE:
        from serving.terminal import show

        show(facts_as_table([read_note(note) for note in _progress(readable, "Reading notes")]))
    else:
        alone = len(found) == 1 and jsonl is None
        for note in _progress(readable, "Reading notes"):
            typer.echo(facts_as_json(read_note(note), alone=alone))
    raise typer.Exit(SOME_FAILED if failed else DONE)


@app.command("migrate")
def migrate_command() -> None:
    """Bring the database's schema to what this version reads and writes."""
    from serving.settings import load_settings
    from serving.store import Store

    store = Store.open(load_settings().database_url, migrate_always=True)
    store.close()
    typer.echo("the database has the newest schema")


@app.command("serve")
def serve_command(
    host: Annotated[str | None, typer.Option(help="Address to listen on (GREENLANE_HOST).")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on (GREENLANE_PORT).")] = None,
    load: Annotated[
        list[Path] | None, typer.Option(help="Requests (JSON Lines) to store at start; those already stored stay.")
    ] = None,
    migrate: Annotated[bool, typer.Option("--migrate", help="Migrate the database first (SQLite always is).")] = False,
    demo_people: Annotated[
        bool, typer.Option("--demo-people", help="Add a person of each role and print their passwords. Loopback only.")
    ] = False,
) -> None:
    """Start the API and the nurse workbench."""
    try:
        from serving.run import serve
    except ModuleNotFoundError as error:
        typer.echo(f"greenlane: serve needs {error.name}; install it with pip install 'greenlane[serving]'", err=True)
        raise typer.Exit(UNUSABLE) from None

    serve(host=host, port=port, load=[str(path) for path in load or ()], migrate=migrate, demo_people=demo_people)


@policies_app.command("list")
def policies_list() -> None:
    """Print the coverage policies: id, version, services, title."""
    from serving.policy_output import policy_lines

    _print(policy_lines())


@policies_app.command("show")
def policies_show(policy_id: Annotated[str, typer.Argument(help="As printed by `policies list`.")]) -> None:
    """Print one policy with its criteria."""
    from serving.policy_output import policy_text

    _print(policy_text(policy_id))


@policies_app.command("lint")
def policies_lint(
    directory: Annotated[Path | None, typer.Argument(help="Policies to check; the packaged ones by default.")] = None,
) -> None:
    """Check that every policy can be used. Exit 1 when something is to be corrected."""
    from serving.policy_output import lint_lines

    lines, found = lint_lines(directory)
    _print(lines)
    raise typer.Exit(SOME_FAILED if found else DONE)


@policies_app.command("test")
def policies_test(
    policy_ids: Annotated[list[str] | None, typer.Argument(help="Policies to test; all by default.")] = None,
    directory: Annotated[
        Path | None, typer.Option("--directory", help="Policies with their cases; the packaged ones by default.")
    ] = None,
) -> None:
    """Run each policy's own cases. Exit 1 when one comes out otherwise than its author expects."""
    from serving.policy_output import test_lines

    lines, failed = test_lines(directory, policy_ids or [])
    _print(lines)
    raise typer.Exit(SOME_FAILED if failed else DONE)


@policies_app.command("schema")
def policies_schema() -> None:
    """Print the JSON Schema of a policy file, for editors that check while you write."""
    from serving.policy_output import schema_text

    _print([schema_text()])


@clocks_app.command("list")
def clocks_list() -> None:
    """Print the turnaround rules: rule, whom it is for, kind of request, time allowed, source."""
    from serving.clock_output import rule_lines
    from serving.settings import load_settings

    _print(rule_lines(load_settings().turnaround))


@clocks_app.command("show")
def clocks_show(rule_id: Annotated[str, typer.Argument(help="As printed by `clocks list`.")]) -> None:
    """Print one turnaround rule with its doubts, its extensions and what stops its clock."""
    from serving.clock_output import rule_text
    from serving.settings import load_settings

    _print(rule_text(rule_id, load_settings().turnaround))


@clocks_app.command("lint")
def clocks_lint(
    directory: Annotated[
        Path | None, typer.Argument(help="Rules beside the packaged ones; GREENLANE_TURNAROUND by default.")
    ] = None,
) -> None:
    """Check that every turnaround rule can be used. Exit 1 when something is to be corrected."""
    from serving.clock_output import lint_lines
    from serving.settings import load_settings

    lines, found = lint_lines(directory or load_settings().turnaround)
    _print(lines)
    raise typer.Exit(SOME_FAILED if found else DONE)


@evaluate_app.command("cases")
def evaluate_cases_command(
    files: Annotated[list[str], typer.Argument(help="JSON Lines of requests that also carry expected_route.")],
) -> None:
    """Route requests and compare with expected_route. Exit 1 when one expected in nurse review is fast-tracked."""
    from models.case_evaluation import evaluate_cases
    from serving.evaluation_output import case_lines, expected_cases
    from serving.request_files import request_entries

    with _reading_pool() as pool:
        cases, problems = expected_cases(list(request_entries(files, pool)))
    failed = _name_failures(problems)
    if not cases:
        raise typer.Exit(UNUSABLE)
    report = evaluate_cases(_progress(cases, "Reading requests"), _reader().triage)
    _print(case_lines(report))
    raise typer.Exit(SOME_FAILED if failed or report.unsafe else DONE)


@evaluate_app.command("assertions")
def evaluate_assertions_command(
    file: Annotated[
        Path, typer.Argument(help="TSV: line, note, phrase, sentence, negation, temporality, experiencer.")
    ],
) -> None:
    """Print precision, recall and F of negated and historical findings."""
    from serving.evaluation_output import assertion_lines

    _print(assertion_lines(file))


@export_app.command("decisions")
def export_decisions_command(
    out: Annotated[Path, typer.Option("--out", help="File to write: .jsonl or .csv. It will hold notes.")],
    since: Annotated[
        datetime | None,
        typer.Option("--since", formats=["%Y-%m-%d"], help="Only requests that came on this day (UTC) or later."),
    ] = None,
    tenant: OfTenant = "default",
) -> None:
    """Write past requests with their decisions in the columns that training reads."""
    from serving.decision_export import export_decisions

    with _store(tenant) as store:
        done = export_decisions(store, out, since=since.replace(tzinfo=UTC) if since else None)
    typer.echo(f"{done.cases} cases in {out}, {done.undecided} of them not decided yet")
    if done.unweighed:
        typer.echo(f"{done.unweighed} of the blind audit left out: its share was not recorded when they were drawn")


@export_app.command("corrections")
def export_corrections_command(
    out: Annotated[Path, typer.Argument(help="File to write: .jsonl. It will hold words of notes.")],
    tenant: OfTenant = "default",
) -> None:
    """Write what people corrected in what was read, with offsets, for those who improve the reading."""
    from serving.correction_export import export_corrections

    with _store(tenant) as store:
        count = export_corrections(store, out)
    typer.echo(f"{count} corrections in {out}")


@import_app.command("decisions")
def import_decisions_command(
    files: Annotated[list[str], typer.Argument(help="Decisions as JSON Lines; - reads standard input.")],
    tenant: OfTenant = "default",
) -> None:
    """Record decisions that people made in another system. Those recorded before stay as they are."""
    from serving.decision_files import record_decisions

    with _store(tenant) as store:
        lines = list(record_decisions(store, files))
    failed = _name_failures((line.place, line.problems) for line in lines)
    new = sum(line.new for line in lines)
    typer.echo(f"{new} decisions recorded, {len(lines) - new - failed} recorded before, {failed} refused")
    raise typer.Exit((SOME_FAILED if len(lines) > failed else UNUSABLE) if failed else DONE)


_Families = Annotated[list[str] | None, typer.Option("--family", help="Service family; may be given again.")]
_Every = Annotated[bool, typer.Option("--all", help="Every service family.")]
_Why = Annotated[str, typer.Option("--why", help="Reason, kept with the switch. No names or notes of members.")]
_By = Annotated[str | None, typer.Option("--by", help="Who switches (default: the user of this machine).")]


@fast_track_app.command("off")
def fast_track_off(
    why: _Why, family: _Families = None, every: _Every = False, by: _By = None, tenant: OfTenant = "default"
) -> None:
    """From now on every request of a family goes to a nurse."""
    _switch_fast_track(family or [], every, off=True, by=by, why=why, tenant=tenant)


@fast_track_app.command("on")
def fast_track_on(
    why: _Why, family: _Families = None, every: _Every = False, by: _By = None, tenant: OfTenant = "default"
) -> None:
    """Let a family's requests be fast-tracked again, where its certificate covers them."""
    _switch_fast_track(family or [], every, off=False, by=by, why=why, tenant=tenant)


@fast_track_app.command("status")
def fast_track_status(tenant: OfTenant = "default") -> None:
    """Print every family's switch: on or off, since when, by whom, why."""
    from serving.fast_track_output import switch_lines

    with _store(tenant) as store:
        _print(switch_lines(store))


def _switch_fast_track(families: list[str], every: bool, *, off: bool, by: str | None, why: str, tenant: str) -> None:
    import getpass

    from serving.fast_track_output import known_families
    from serving.fast_track_switches import switch_fast_track

    asked = known_families(families, every=every)
    if not why.strip():
        raise typer.BadParameter("must say why", param_hint="--why")
    with _store(tenant) as store:
        switch_fast_track(
            store, asked, off=off, switched_by=by or getpass.getuser(), why=" ".join(why.split()), now=datetime.now(UTC)
        )
    for family in asked:
        typer.echo(f"{family}: fast-tracking is {'off' if off else 'on'}")


def _reading_pool() -> ReadingPool:
    """Processes that read files other than plain text, as the settings say; to be closed."""
    from serving.documents.pool import ReadingPool
    from serving.settings import load_settings

    return ReadingPool.of(load_settings())


def _reader() -> Reader:
    """The reader with the promoted model."""
    from serving.reading import Reader
    from serving.settings import load_settings

    return Reader.load(load_settings())


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        typer.echo(line)


def _name_failures(places: Iterable[tuple[str, tuple[str, ...]]]) -> int:
    """Name every failed input on stderr, one line a problem; returns how many inputs failed."""
    failed = 0
    for place, problems in places:
        failed += bool(problems)
        for problem in problems:
            typer.echo(f"{place}: {problem}", err=True)
    return failed


def _progress(items: list[Item], label: str) -> Iterator[Item]:
    """The items, with a progress bar on stderr where that is a terminal."""
    if not sys.stderr.isatty() or len(items) < 2:
        yield from items
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(items, description=label, console=Console(stderr=True), transient=True)


if __name__ == "__main__":
    main()
