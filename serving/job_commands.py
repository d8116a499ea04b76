"""``greenlane work`` and ``greenlane jobs``: working on the queue in a process of its own, and looking at it."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from serving.opened_store import opened_store

jobs_app = typer.Typer(help="The queue of requests that wait for triage.", no_args_is_help=True, rich_markup_mode=None)


def work_command(
    once: Annotated[bool, typer.Option("--once", help="End when nothing waits any more.")] = False,
    processes: Annotated[
        int | None,
        typer.Option("--processes", min=1, max=64, help="How many requests are triaged at once (GREENLANE_READERS)."),
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option("--metrics-port", min=1, max=65535, help="Answer Prometheus here, by default nowhere."),
    ] = None,
    metrics_host: Annotated[
        str, typer.Option("--metrics-host", help="The address to listen on for Prometheus.")
    ] = "127.0.0.1",
) -> None:
    """Work on waiting requests, apart from `greenlane serve`, until stopped."""
    from serving.work_run import work

    taken = work(once=once, processes=processes, metrics_at=(metrics_host, metrics_port) if metrics_port else None)
    if once:
        typer.echo(f"{taken} jobs worked on")


@jobs_app.command("list")
def list_jobs(
    dead: Annotated[bool, typer.Option("--dead", help="Only what was given up.")] = False,
) -> None:
    """Print jobs: number, authorization, state, attempts, last error, due; tab-separated, the most urgent first."""
    from serving.job_list import dead_jobs, open_jobs

    with opened_store() as store:
        for job in dead_jobs(store) if dead else open_jobs(store):
            due = job.due_at.isoformat().replace("+00:00", "Z")
            columns = (job.job_id, job.authorization_id, job.state.value, job.attempts, job.error or "-", due)
            typer.echo("\t".join(map(str, columns)))


@jobs_app.command("retry")
def retry_job(
    job_ids: Annotated[list[int], typer.Argument(help="As printed by `jobs list`.")],
) -> None:
    """Have jobs tried again now. Exit 1 names those that cannot be."""
    from serving.errors import JobRefusedError, UnknownJobError
    from serving.job_list import retry

    failed = 0
    with opened_store() as store:
        for job_id in job_ids:
            try:
                authorization_id = retry(store, job_id, now=datetime.now(UTC))
            except (JobRefusedError, UnknownJobError) as error:
                failed += 1
                typer.echo(f"{job_id}: {error}", err=True)
            else:
                typer.echo(f"{job_id}: {authorization_id} is tried again")
    if failed:
        sys.exit(1)
