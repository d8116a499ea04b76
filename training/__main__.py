"""``python -m training``: generate, prepare, train, evaluate, promote; ``main`` runs all. MLproject calls these."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from training.config import (
    CONFIDENCE,
    DATA_DIRECTORY,
    DEMONSTRATION_APPROVERS,
    DEMONSTRATION_CASES,
    FALSE_ALARM,
    LARGEST_CALIBRATION_ERROR,
    SETTLED_AFTER_DAYS,
    STORIES,
    TARGET,
    TRIALS,
)

app = typer.Typer(
    help="Labels, training, the threshold's guarantee, evaluation and promotion of the approval score.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Cases = Annotated[int, typer.Option("--n", min=1, help="Requests to generate.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same requests, to the byte.")]
Out = Annotated[Path, typer.Option("--out", help="Directory of cases, table and candidate.")]
Processes = Annotated[int, typer.Option("--processes", min=1, help="Worker processes that read requests.")]
Only = Annotated[list[str] | None, typer.Option("--service", help="Only this service; may be given more than once.")]
Sound = Annotated[float, typer.Option("--sound", min=0.0, max=1.0, help="Share of stories that meet their policy.")]
Typos = Annotated[float, typer.Option("--typos", min=0.0, max=1.0, help="Share of longer words mistyped.")]
OneService = Annotated[str, typer.Option("--service", help="Policy id of the service.")]
Target = Annotated[
    float, typer.Option("--target", min=0.0001, max=0.5, help="Most fast-tracked requests that may not be approved.")
]
CalibrationLimit = Annotated[
    float, typer.Option("--calibration-limit", min=0.001, max=0.2, help="Largest calibration error that is promoted.")
]
Confidence = Annotated[float, typer.Option("--confidence", min=0.5, max=0.9999, help="Confidence of the guarantee.")]
Trials = Annotated[
    int, typer.Option("--trials", min=0, max=200, help="Settings of the estimator to try; 0 takes those that ship.")
]
Approvers = Annotated[
    list[str], typer.Option("--approved-by", help="Who approves the promotion; two different people, so give it twice.")
]
Notes = Annotated[
    bool,
    typer.Option(
        "--notes/--no-notes",
        help="Show the notes of wrongly fast-tracked cases in the report. Off, so that no real note enters MLflow.",
    ),
]
Models = Annotated[
    Path | None, typer.Option("--models", help="Model directory (default: GREENLANE_MODEL_DIR or .greenlane/models).")
]


@app.command()
def generate(
    n: Cases = DEMONSTRATION_CASES,
    seed: Seed = 7,
    out: Out = DATA_DIRECTORY,
    processes: Processes = 2,
    service: Only = None,
    sound: Sound = STORIES.sound,
    typos: Typos = 0.004,
) -> None:
    """Write generated requests with labels to OUT/cases.jsonl."""
    from training.synthetic.generator import Settings, generate_lines

    out.mkdir(parents=True, exist_ok=True)
    pending, done = out / "cases.jsonl.pending", 0
    settings = Settings(stories=replace(STORIES, sound=sound), typos=typos, services=tuple(service or ()))
    with _progress("Writing requests") as advance, pending.open("w", encoding="utf-8") as file:
        for lines in generate_lines(n, seed, settings, processes=processes):
            file.writelines(line + "\n" for line in lines)
            done += len(lines)
            advance(done, n)
    pending.replace(out / "cases.jsonl")
    _say(f"{n} requests in {out / 'cases.jsonl'}")


@app.command("lint-services")
def lint_services(service: Only = None) -> None:
    """Name every problem of the services' files. Exit code 2 where there is one."""
    from training.synthetic.lint import lint_files

    checked, found, noticed = lint_files(tuple(service or ()))
    for line in (*(f"notice: {line}" for line in noticed), *found):
        _say(line)
    _say(f"{checked} files, {len(found)} problems")
    if found:
        raise typer.Exit(2)


@app.command("sketch-service")
def sketch_service(service: OneService) -> None:
    """Print the outline of a service's file: its pathways, elements and exclusions, from its policy."""
    from training.synthetic.generator import policy_of
    from training.synthetic.sketch import sketch

    for line in sketch(policy_of(service)):
        _say(line)


@app.command("show-case")
def show_case(
    service: OneService,
    n: Annotated[int, typer.Option("--n", min=1, help="Requests to show.")] = 1,
    state: Annotated[
        list[str] | None, typer.Option("--state", help="Only with element=state, or an exclusion.")
    ] = None,
    seed: Seed = 1,
    unseen: Annotated[bool, typer.Option("--unseen", help="Write in the phrases of the test split.")] = False,
) -> None:
    """Print generated requests of one service with their stories."""
    from training.synthetic.showing import show

    for line in show(service, n, tuple(state or ()), seed, "test" if unseen else "train"):
        _say(line)


@app.command("check-service")
def check_service(
    service: OneService,
    n: Annotated[int, typer.Option("--n", min=1, help="Requests to read in each bank.")] = 300,
    seed: Seed = 1,
    everything: Annotated[bool, typer.Option("--all", help="Also not_met read as not_documented, and such.")] = False,
) -> None:
    """Generate requests of one service, read them, and print where reading and story differ."""
    from training.service_check import check_service as check
    from training.service_check import report

    with _progress("Reading notes") as advance:
        found = list(check(service, n, seed, advance))
    for bank in found:
        for line in report(bank, everything=everything):
            _say(line)


@app.command()
def prepare(
    out: Out = DATA_DIRECTORY,
    processes: Processes = 2,
    history: Annotated[
        str, typer.Option("--history", help="Past requests with decisions: .parquet, .csv or .jsonl (own history).")
    ] = "",
    known_by: Annotated[
        datetime | None,
        typer.Option("--known-by", formats=["%Y-%m-%d"], help="Labels known later do not count (default: the latest)."),
    ] = None,
    settled_after: Annotated[
        int, typer.Option("--settled-after", min=0, help="Days a request must be older than that to count.")
    ] = SETTLED_AFTER_DAYS,
) -> None:
    """Read every request as the service reads it; features go to OUT/features.parquet."""
    from training.dataset import prepare as read_cases
    from training.history import prepare_history

    table = out / "features.parquet"
    with _progress("Reading notes") as advance:
        if history:
            dataset, summary = prepare_history(
                Path(history),
                table,
                known_by=known_by.replace(tzinfo=UTC) if known_by else None,
                settled_after=timedelta(days=settled_after),
                processes=processes,
                progress=advance,
            )
        else:
            dataset = read_cases(out / "cases.jsonl", table, processes=processes, progress=advance)
    if history:
        for line in summary.lines():
            _say(line)
    _say(
        f"{len(dataset)} requests read; approved {dataset.share(dataset.labels):.1%}, "
        f"criteria met and nothing held back {dataset.share(dataset.eligible):.1%}"
    )


@app.command()
def train(
    out: Out = DATA_DIRECTORY,
    seed: Seed = 7,
    target: Target = TARGET,
    confidence: Confidence = CONFIDENCE,
    trials: Trials = TRIALS,
) -> None:
    """Tune, train, calibrate and certify; the model is registered as challenger and kept as OUT/candidate."""
    from training.candidate import keep_candidate, pending_candidate
    from training.dataset import load
    from training.tracking import log_training, next_version
    from training.train import train as fit

    table = out / "features.parquet"
    dataset = load(table)
    version = next_version()
    trained = fit(dataset, seed=seed, target=target, confidence=confidence, on=datetime.now(UTC).date(), trials=trials)
    parameters = {"seed": seed, "target": target, "confidence": confidence, "trials": trials, "cases": len(dataset)}
    with pending_candidate(out, trained, dataset, version) as bundle:
        registered = log_training(trained, dataset, parameters, table, bundle, version)
        keep_candidate(out, registered)
    _say(f"version {registered.version} registered as challenger")
    for shown in trained.certificates:
        scope = shown.family or "all families"
        if shown.threshold is None:
            _say(f"  {scope}: not certified, {shown.reason}")
        else:
            _say(
                f"  {scope}: at most {shown.target:.1%} wrong with {shown.confidence:.0%} confidence at scores of "
                f"{shown.threshold:.3f} and more ({shown.errors} of {shown.n} certification cases)"
            )


@app.command()
def evaluate(out: Out = DATA_DIRECTORY, notes: Notes = False) -> None:
    """Evaluate the candidate on the test split; report.html, model_card.md and evaluation.json go to OUT and to MLflow."""
    from training.candidate import load_candidate, save_evaluation
    from training.dataset import load
    from training.evaluate import evaluate as judge
    from training.model_card import build_card
    from training.report import build_report
    from training.tracking import log_evaluation

    candidate = load_candidate(out)
    dataset = load(out / "features.parquet")
    evaluation = judge(candidate.bundle, candidate.baseline, dataset)
    report = build_report(
        candidate.bundle, candidate.baseline, dataset, evaluation, out / "cases.jsonl" if notes else None
    )
    files = report.write(out)
    (out / "model_card.md").write_text(build_card(candidate.bundle, dataset, evaluation), encoding="utf-8")
    save_evaluation(out, candidate.bundle, evaluation)
    log_evaluation(candidate.registered, evaluation.metrics(), [out / "evaluation.json", out / "model_card.md", *files])
    for scope, lane in evaluation.fast_lane.items():
        if lane.share_of_approvable is not None:
            _say(
                f"  {scope}: {lane.share_of_approvable:.1%} of approvable test requests fast-tracked, {lane.wrong} of "
                f"{lane.fast_tracked} wrongly (at most {lane.error_bound:.1%})"
            )
    for name, lanes in evaluation.baselines.items():
        share = lanes["all"].share_of_approvable
        _say(f"  baseline {name.replace('_', ' ')}: {0.0 if share is None else share:.1%} at the same certified bound")
    _say(f"  report in {out / 'report.html'}, card in {out / 'model_card.md'}")
    _say(f"  calibration error {evaluation.expected_calibration_error:.3f}, Brier {evaluation.briers['model']:.3f}")


@app.command()
def promote(
    approved_by: Approvers = [],  # noqa: B006  # Typer copies it
    out: Out = DATA_DIRECTORY,
    models: Models = None,
    calibration_limit: CalibrationLimit = LARGEST_CALIBRATION_ERROR,
) -> None:
    """Give the candidate the alias champion and put it where the server loads it, if it passes the gates."""
    from training.dataset import load
    from training.promote import promote as put_into_service
    from training.promote import two_approvers

    two_approvers(approved_by)
    dataset = load(out / "features.parquet")
    bundle = put_into_service(out, dataset, approved_by=approved_by, models=models, calibration_limit=calibration_limit)
    _say(f"version {bundle.reference.version} of {bundle.reference.name} is champion")


@app.command()
def drift(
    history: Annotated[
        Path, typer.Option("--history", help="Served requests, as `greenlane export decisions` writes.")
    ],
    out: Out = DATA_DIRECTORY,
    models: Models = None,
    since: Annotated[
        datetime | None, typer.Option("--since", formats=["%Y-%m-%d"], help="First day (UTC) of the window.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--until", formats=["%Y-%m-%d"], help="Day (UTC) after the window.")
    ] = None,
    false_alarm: Annotated[
        float,
        typer.Option("--false-alarm", min=0.0001, max=0.5, help="Chance of the exchangeability tests' false alarm."),
    ] = FALSE_ALARM,
    processes: Processes = 2,
) -> None:
    """Compare served requests with what the model in service was trained on. Exit 1: a family has to be stopped."""
    import json

    from training.drift import champion_with_reference, compare, read_served
    from training.drift_output import print_report, report_page, stop_command

    bundle, reference = champion_with_reference(models)
    first, last = (moment.replace(tzinfo=UTC) if moment else None for moment in (since, until))
    report = compare(
        bundle, reference, read_served(history, since=first, until=last, processes=processes), false_alarm=false_alarm
    )
    out.mkdir(parents=True, exist_ok=True)
    (out / "drift.json").write_text(json.dumps(report.to_json(), indent=2) + "\n")
    (out / "drift.html").write_text(report_page(report), encoding="utf-8")
    print_report(report)
    for family in report.to_stop:
        _say(f"{family} is no longer supported by its certificate; stop it with: {stop_command(family)}")
    if report.to_stop:
        raise typer.Exit(1)


@app.command()
def rollback(
    by: Annotated[str, typer.Option("--by", help="Who decides to go back.")] = "", models: Models = None
) -> None:
    """Put the champion before the present one back into service, at once."""
    from training.promote import rollback as go_back

    bundle = go_back(by=by, models=models)
    _say(f"version {bundle.reference.version} of {bundle.reference.name} is champion again")


@app.command()
def features(path: Annotated[Path, typer.Option("--path", help="File to write.")] = Path("docs/features.md")) -> None:
    """Write the table of features, from the installed schema."""
    from features.vector import SCHEMA
    from training.feature_table import feature_table

    path.write_text(feature_table(SCHEMA), encoding="utf-8")
    _say(f"{len(SCHEMA.features)} features in {path}")


@app.command()
def main(
    n: Cases = DEMONSTRATION_CASES,
    seed: Seed = 7,
    out: Out = DATA_DIRECTORY,
    processes: Processes = 2,
    target: Target = TARGET,
    confidence: Confidence = CONFIDENCE,
    trials: Trials = TRIALS,
    approved_by: Approvers = list(DEMONSTRATION_APPROVERS),  # noqa: B006  # a constant
    models: Models = None,
    calibration_limit: CalibrationLimit = LARGEST_CALIBRATION_ERROR,
) -> None:
    """All of it on generated requests: generate, prepare, train, evaluate, promote, by default in nobody's name."""
    generate(n, seed, out, processes)
    prepare(out, processes)
    train(out, seed, target, confidence, trials)
    evaluate(out, notes=True)
    promote(approved_by, out, models, calibration_limit)


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=None)

        def advance(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield advance


def _say(line: str) -> None:
    typer.echo(line)


def run() -> int:
    """Run the command line; expected errors are one line on stderr. Exit codes: 0 done, 1 refused, 2 bad input."""
    from models.errors import ModelError
    from training.errors import PromotionRefusedError, TrainingError

    try:
        app(standalone_mode=True)
    except PromotionRefusedError as error:
        typer.echo(f"training: {error}", err=True)
        return 1
    except (TrainingError, ModelError) as error:
        for line in str(error).splitlines():
            typer.echo(f"training: {line}", err=True)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(run())
