"""The few things the numbers need that SQLite and PostgreSQL say differently."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Float, Integer
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import FunctionElement

from serving.tables import UtcDateTime

MATERIALIZED = "MATERIALIZED"
"""Before a common table expression: found once. SQLite would look the opening up again at every mention."""


class SecondsBetween(FunctionElement[float]):
    """``SecondsBetween(earlier, later)``: seconds from one moment to the other, to the millisecond."""

    type = Float()
    name = "seconds_between"
    inherit_cache = True


class WholeSteps(FunctionElement[int]):
    """``WholeSteps(number, literal(step))``: how many whole steps fit into a number that is not negative."""

    type = Integer()
    name = "whole_steps"
    inherit_cache = True


class HoursBefore(FunctionElement[Any]):
    """``HoursBefore(moment, literal(hours))``: the moment so many whole hours earlier."""

    type = UtcDateTime()
    name = "hours_before"
    inherit_cache = True


@compiles(SecondsBetween, "sqlite")
def _(element: SecondsBetween, compiler: SQLCompiler, **kw: Any) -> str:
    earlier, later = (compiler.process(clause, **kw) for clause in element.clauses)
    # A day number in double precision is exact to 40 microseconds.
    return f"round((julianday({later}) - julianday({earlier})) * 86400.0, 3)"


@compiles(SecondsBetween, "postgresql")
def _(element: SecondsBetween, compiler: SQLCompiler, **kw: Any) -> str:
    earlier, later = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"CAST(round(EXTRACT(EPOCH FROM ({later} - {earlier})), 3) AS double precision)"


@compiles(WholeSteps, "sqlite")
def _(element: WholeSteps, compiler: SQLCompiler, **kw: Any) -> str:
    number, step = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"CAST({number} / {step} AS INTEGER)"


@compiles(WholeSteps, "postgresql")
def _(element: WholeSteps, compiler: SQLCompiler, **kw: Any) -> str:
    number, step = (compiler.process(clause, **kw) for clause in element.clauses)
    # A cast alone would round there.
    return f"CAST(floor({number} / {step}) AS integer)"


@compiles(HoursBefore, "sqlite")
def _(element: HoursBefore, compiler: SQLCompiler, **kw: Any) -> str:
    moment, hours = (compiler.process(clause, **kw) for clause in element.clauses)
    # Moments are compared as text there; whole seconds sort before the same second with a fraction.
    return f"strftime('%Y-%m-%d %H:%M:%S', {moment}, (-{hours}) || ' hours')"


@compiles(HoursBefore, "postgresql")
def _(element: HoursBefore, compiler: SQLCompiler, **kw: Any) -> str:
    moment, hours = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"({moment} - make_interval(hours => {hours}))"
