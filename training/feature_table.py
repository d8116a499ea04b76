"""The table of features for people: ``python -m training features`` writes it to docs/features.md."""

from __future__ import annotations

from features.types import FeatureSchema

_DIRECTIONS = {1: "never lowers the score", -1: "never raises the score", 0: "either way"}


def feature_table(schema: FeatureSchema) -> str:
    """The page, in Markdown: every feature with its meaning, source and direction."""
    rows = "\n".join(
        f"| `{spec.name}` | {spec.meaning} | {spec.source} | {_DIRECTIONS[spec.direction]} |"
        for spec in schema.features
    )
    return f"""# What the score sees

{len(schema.features)} numbers a request, schema `{schema.name}` {schema.version} (`{schema.hash}`). A model trained on
another schema is refused. Nothing of sex, race, name, birth date, place of living or plan is among them. The directions
are known before any data and hold of every trained model: a test proves it over every split of every tree.

| feature | meaning | computed from | more of it |
| --- | --- | --- | --- |
{rows}

Written by `python -m training features` from `features/vector.py`; a test notices when it is not current.
"""
