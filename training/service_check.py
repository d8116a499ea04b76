"""A service's stories held against how its notes are read: where reader and story differ, by element and state.

This is how a writer finds misreadings, and whether a phrase says what its state means. It stands outside
``training.synthetic`` because nothing there may know how notes are read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random

from features.reading import read
from features.request import parse_request
from features.types import CriterionResult, Reading, Status
from training.config import Split
from training.synthetic.generator import SyntheticCase, Telling, build_case, draw_person, tell
from training.synthetic.service import ABSENT, BankName, load_services

_EXAMPLES = 4


@dataclass(slots=True)
class Misread:
    """One way a state's leaf is read otherwise: how often, and what the documents said."""

    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        """Count it; keep the first few different texts."""
        self.count += 1
        if text not in self.examples and len(self.examples) < _EXAMPLES:
            self.examples.append(text)


@dataclass(frozen=True, slots=True)
class Row:
    """One state of one element (or an exclusion) and one leaf: what the story says, and how often it is read so."""

    about: str
    leaf: str
    expected: str
    n: int
    agree: int
    misread: dict[str, Misread]

    @property
    def wrong(self) -> int:
        """Cases that matter: read as met where it is not, or not as met where it is."""
        return sum(misread.count for status, misread in self.misread.items() if "met" in (status, self.expected))


@dataclass(frozen=True, slots=True)
class BankCheck:
    """What was found for one bank.

    ``passed``: stories that meet the policy and are read so, with no guard. ``held``: why the others were held back.
    ``slipped``: stories that do not meet it and are read as if they did.
    """

    bank: BankName
    n: int
    rows: tuple[Row, ...]
    sound: int
    passed: int
    held: dict[str, Misread]
    unsound: int
    slipped: dict[str, Misread]


def check_service(
    service: str, n: int, seed: int = 1, progress: Callable[[int, int], None] | None = None
) -> Iterator[BankCheck]:
    """Generate ``n`` stories in each bank, read them, compare. Raises ServiceError for an unusable file."""
    banks: tuple[tuple[BankName, Split], ...] = (("seen", "train"), ("unseen", "test"))
    for number, (bank, split) in enumerate(banks):
        tally = _Tally(service)
        for index in range(n):
            random = Random(f"{seed}/check/{bank}/{index}")  # noqa: S311  # reproducible cases, nothing secret
            telling = tell(random, service, draw_person(random, load_services()[service]), split)
            case = build_case(random, index, seed, index, telling, "none", split)
            request = parse_request(case.request, now=datetime.now(UTC))
            tally.add(telling, case, read(request))
            if progress is not None:
                progress(number * n + index + 1, 2 * n)
        yield tally.result(bank, n)


class _Tally:
    def __init__(self, service: str) -> None:
        self._service = load_services()[service]
        self._n: Counter[tuple[str, str, str]] = Counter()
        self._misread: dict[tuple[str, str, str], dict[str, Misread]] = {}
        self._held: dict[str, Misread] = {}
        self._slipped: dict[str, Misread] = {}
        self._sound = self._passed = self._unsound = 0

    def add(self, telling: Telling, case: SyntheticCase, reading: Reading) -> None:
        """Compare one case."""
        results = {result.criterion_id: result for result in reading.criteria}
        story, judgement = telling.story, telling.judgement
        said: dict[str, list[str]] = {}
        for spoken in telling.packet.spoken:
            said.setdefault(spoken.about, []).append(f"[{spoken.kind}] {spoken.text}")
        # With the other side asked for, every leaf is rightly read as documented for the wrong one.
        leaves = judgement.leaves if story.asked == story.side else {}
        for leaf, status in leaves.items():
            tellers = [
                (name, state)
                for name, state in story.states.items()
                if leaf in self._service.elements[name].shows and state != ABSENT
            ]
            got = results[leaf].status.value if leaf in results else "no policy"
            for name, state in tellers or [("nothing told", "")]:
                key = (f"{name}={state}" if state else name, leaf, status.value)
                self._n[key] += 1
                if got == status.value or leaf not in results:
                    continue
                text = " / ".join(said.get(name, ["(nothing written)"]))
                shown = _shown(results[leaf], reading)
                example = f"{text}  -> {results[leaf].explanation}{shown}"
                self._misread.setdefault(key, {}).setdefault(got, Misread()).add(example)
        root = reading.criteria[0].status if reading.criteria else None
        open_lane = root is Status.MET and not reading.guards
        if judgement.met:
            self._sound += 1
            if open_lane:
                self._passed += 1
            for why in self._why_held(reading, results, telling):
                self._held.setdefault(why, Misread()).add(_guard_text(reading, case))
        else:
            self._unsound += 1
            if open_lane:
                scenario = ", ".join(story.flaws) or "(no flaw drawn: something else fails)"
                flawed = [name.split("=")[0] for name in story.flaws]
                texts = [text for name in flawed for text in said.get(name, [])]
                self._slipped.setdefault(scenario, Misread()).add(" / ".join(texts) or "(nothing written)")

    @staticmethod
    def _why_held(reading: Reading, results: dict[str, CriterionResult], telling: Telling) -> list[str]:
        why = [f"guard {guard.code}: {guard.message}" for guard in reading.guards]
        if not reading.criteria or reading.criteria[0].status is not Status.MET:
            leaves = [
                f"leaf {leaf}: {results[leaf].status.value} instead of met"
                for leaf, status in telling.judgement.leaves.items()
                if status is Status.MET and leaf in results and results[leaf].status is not Status.MET
            ]
            conflicts = [
                f"leaf {result.criterion_id}: read as conflicting"
                for result in results.values()
                if result.status is Status.CONFLICTING
                and result.decided_by == result.criterion_id
                and telling.judgement.leaves.get(result.criterion_id) is not Status.MET
            ]
            why += leaves + conflicts
        return why

    def result(self, bank: BankName, n: int) -> BankCheck:
        """Everything compared so far."""
        rows = []
        for key, count in self._n.items():
            about, leaf, expected = key
            misread = self._misread.get(key, {})
            agree = count - sum(each.count for each in misread.values())
            rows.append(Row(about, leaf, expected, count, agree, misread))
        rows.sort(key=lambda row: (row.about == "nothing told", row.about, row.leaf))
        return BankCheck(bank, n, tuple(rows), self._sound, self._passed, self._held, self._unsound, self._slipped)


def _shown(result: CriterionResult, reading: Reading) -> str:
    facts = {fact.fact_id: fact for fact in reading.facts}
    quoted = [facts[fact_id].text for fact_id in result.evidence[:3] if fact_id in facts]
    return f" (from: {'; '.join(quoted)})" if quoted else ""


def _guard_text(reading: Reading, case: SyntheticCase) -> str:
    facts = {fact.fact_id: fact for fact in reading.facts}
    texts = {document["document_id"]: document["text"] for document in case.request["documents"]}
    quotes = []
    for guard in reading.guards:
        for fact_id in guard.evidence[:1]:
            fact = facts[fact_id]
            text = texts[fact.document_id]
            quotes.append("..." + text[max(0, fact.start - 50) : fact.end + 40].replace("\n", " ") + "...")
    return " / ".join(quotes)


def report(check: BankCheck, *, everything: bool = False) -> Iterator[str]:
    """The lines a writer reads: what slips through, what is held back, then every state that is misread."""
    yield f"== {check.bank} phrases: {check.n} requests"
    share = f"{check.passed / check.sound:.0%}" if check.sound else "none"
    yield f"   stories that meet the policy: {check.sound}, of which read as met with nothing held back: {share}"
    slipped = sum(each.count for each in check.slipped.values())
    yield f"   stories that do not: {check.unsound}, of which read as met with nothing held back: {slipped}"
    for title, found in (("SLIPS THROUGH", check.slipped), ("HELD BACK", check.held)):
        for what, misread in sorted(found.items(), key=lambda item: -item[1].count):
            yield f"   {title} {misread.count}x  {what}"
            yield from (f"        {example}" for example in misread.examples if example)
    for row in check.rows:
        wrong = row.misread if everything else {k: v for k, v in row.misread.items() if "met" in (k, row.expected)}
        if not wrong:
            continue
        yield f"   {row.about}  {row.leaf}: {row.expected} in {row.n}, read so in {row.agree}"
        for status, misread in sorted(wrong.items(), key=lambda item: -item[1].count):
            yield f"      read as {status} {misread.count}x"
            yield from (f"        {example}" for example in misread.examples)
