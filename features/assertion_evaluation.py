"""How well assertion agrees with a file of annotated findings in the format of the NegEx/ConText test kit.

Tab-separated, with a heading line: line, note, phrase, sentence, negation (Affirmed, Negated), temporality (Recent,
Historical, Not particular), experiencer (Patient, Family member, Other). The phrase stands in capitals in its sentence.
"Not particular" counts as not historical; only "Family member" counts as family.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from features.assertion import assess
from features.errors import FeaturesError
from features.types import Assertion

COLUMNS = ("line", "note", "phrase", "sentence", "negation", "temporality", "experiencer")
_VALUES: Mapping[str, frozenset[str]] = {
    "negation": frozenset({"Affirmed", "Negated"}),
    "temporality": frozenset({"Recent", "Historical", "Not particular"}),
    "experiencer": frozenset({"Patient", "Family member", "Other"}),
}
SCORED = ("negated", "historical", "family")


@dataclass(frozen=True, slots=True)
class AnnotatedFinding:
    """One row: a finding at ``sentence[start:end]`` and what people said about it.

    ``partial`` is set where the kit cut the sentence inside the phrase: the phrase is then read by itself.
    """

    line: str
    sentence: str
    start: int
    end: int
    negated: bool
    historical: bool
    family: bool
    partial: bool = False


@dataclass(frozen=True, slots=True)
class FlagScore:
    """Agreement on one flag, in counts of findings. Precision, recall and F are 1 where nothing is to be found."""

    flag: str
    true_positives: int = 0
    false_positives: int = 0
    false_negatives: int = 0

    @property
    def precision(self) -> float:
        """Share of the findings given the flag that carry it."""
        found = self.true_positives + self.false_positives
        return self.true_positives / found if found else 1.0

    @property
    def recall(self) -> float:
        """Share of the findings that carry the flag that were given it."""
        there = self.true_positives + self.false_negatives
        return self.true_positives / there if there else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        total = 2 * self.true_positives + self.false_positives + self.false_negatives
        return 2 * self.true_positives / total if total else 1.0


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A disagreement, without any text: the flag, whether it was missed or added, and the row's own line number."""

    flag: str
    kind: str
    line: str


@dataclass(frozen=True, slots=True)
class AssertionReport:
    """Scores over ``findings`` rows, ``partial`` of them with a phrase cut off by its sentence."""

    findings: int
    partial: int
    scores: tuple[FlagScore, ...]
    errors: tuple[Disagreement, ...]

    def score(self, flag: str) -> FlagScore:
        """The score of ``flag``; KeyError where it is not scored."""
        for score in self.scores:
            if score.flag == flag:
                return score
        raise KeyError(flag)


def evaluate_assertions(path: Path | str) -> AssertionReport:
    """Score the engine triage uses on the file at ``path``.

    Raises FeaturesError naming the line and column of a file that is not in the format.
    """
    return _report(_judged(read_findings(path)))


def evaluate_assertion_folds(path: Path | str, folds: int = 5) -> tuple[AssertionReport, ...]:
    """One report for each of ``folds`` parts of the file, divided by a checksum of the row's line number.

    The cues are no learned parameters, so nothing is fitted between folds: their spread shows how much the score
    depends on which findings were drawn.
    """
    if folds < 2:
        raise FeaturesError("folds: at least 2")
    judged = list(_judged(read_findings(path)))
    return tuple(
        _report(pair for pair in judged if zlib.crc32(pair[0].line.encode()) % folds == fold) for fold in range(folds)
    )


def read_findings(path: Path | str) -> list[AnnotatedFinding]:
    """The annotated findings of the file at ``path``.

    Raises FeaturesError naming the line of the file and the column, never their content.
    """
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except OSError as error:
        raise FeaturesError(f"{Path(path).name}: cannot be read") from error
    except UnicodeDecodeError as error:
        raise FeaturesError(f"{Path(path).name}: not UTF-8") from error
    if not lines or tuple(column.strip() for column in lines[0].split("\t")) != COLUMNS:
        raise FeaturesError(f"{Path(path).name}: line 1 must name the columns {', '.join(COLUMNS)}, tab-separated")
    return [_finding(line, f"{Path(path).name}: line {number}") for number, line in enumerate(lines[1:], 2) if line]


def _finding(line: str, where: str) -> AnnotatedFinding:
    cells = line.split("\t")
    if len(cells) != len(COLUMNS):
        raise FeaturesError(f"{where}: {len(cells)} columns where {len(COLUMNS)} are needed")
    row = dict(zip(COLUMNS, cells, strict=True))
    for column, allowed in _VALUES.items():
        if row[column].strip() not in allowed:
            raise FeaturesError(f"{where}: {column} must be one of {', '.join(sorted(allowed))}")
    if not row["phrase"].split():
        raise FeaturesError(f"{where}: phrase is empty")
    place = _find(row["phrase"].split(), row["sentence"])
    partial = place is None
    if place is None:
        if not any(_find([word], row["sentence"]) for word in row["phrase"].split()):
            raise FeaturesError(f"{where}: phrase does not stand in sentence")
        row["sentence"] = row["phrase"]
        place = (0, len(row["phrase"]))
    return AnnotatedFinding(
        line=row["line"],
        sentence=row["sentence"],
        start=place[0],
        end=place[1],
        negated=row["negation"].strip() == "Negated",
        historical=row["temporality"].strip() == "Historical",
        family=row["experiencer"].strip() == "Family member",
        partial=partial,
    )


def _find(words: list[str], sentence: str) -> tuple[int, int] | None:
    """Where ``words`` stand in ``sentence``: in capitals first, then in any case; white space may differ."""
    pattern = r"\s+".join(re.escape(word) for word in words)
    match = re.search(r"\s+".join(re.escape(word.upper()) for word in words), sentence) or re.search(
        pattern, sentence, re.IGNORECASE
    )
    return match.span() if match else None


def _judged(findings: Iterable[AnnotatedFinding]) -> Iterator[tuple[AnnotatedFinding, Assertion]]:
    for finding in findings:
        yield finding, assess(finding.sentence, [(finding.start, finding.end)])[0]


def _report(judged: Iterable[tuple[AnnotatedFinding, Assertion]]) -> AssertionReport:
    pairs = list(judged)
    errors: list[Disagreement] = []
    scores: list[FlagScore] = []
    for flag in SCORED:
        hits = added = missed = 0
        for finding, assertion in pairs:
            gold, found = getattr(finding, flag), getattr(assertion, flag)
            hits += gold and found
            if gold != found:
                added += found
                missed += gold
                errors.append(Disagreement(flag, "missed" if gold else "added", finding.line))
        scores.append(FlagScore(flag, hits, added, missed))
    return AssertionReport(len(pairs), sum(finding.partial for finding, _ in pairs), tuple(scores), tuple(errors))
