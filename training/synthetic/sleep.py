"""CPAP (E0601): stories, what the policy makes of them, and how a sleep clinic writes them down.

Written after NCD 240.4 and LCD L33718: an evaluation before a covered test, an AHI of at least 15 with 30 events (or of
5 to 14 with 10 events and a symptom or heart or vessel disease), instruction in the device, and a signed order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from random import Random

from training.synthetic.banks import Bank
from training.synthetic.story import DocumentDraft, Judgement, Person, pick
from training.synthetic.writing import Pen

SYMPTOMS = ("sleepy", "insomnia", "mood")
DISEASES = ("hypertension", "heart_disease", "stroke")

# How often each story is told. The first two are the ways to meet the policy, the rest are the traps.
SCENARIOS: dict[str, float] = {
    "moderate_or_severe": 46,
    "mild_with_reason": 20,
    "mild_without_reason": 5,
    "mild_family_only": 3,
    "too_mild": 3,
    "three_percent_rule": 3,
    "positional_only": 2,
    "residual_only": 2,
    "oximetry_only": 2,
    "study_pending": 3,
    "evaluated_after_test": 4,
    "no_education": 4,
    "order_unsigned": 3,
    "report_missing": 2,
    "central": 2,
    "replacement": 2,
}


@dataclass(frozen=True, slots=True)
class SleepStory:
    """What is true. ``ahi`` is per hour by the 4 % rule; ``reasons`` the symptoms and diseases of the patient's own.

    ``quoted`` is a phrase key for an index that does not qualify (3 % rule, positional, on CPAP) stated beside it.
    """

    scenario: str
    visit: date
    evaluated: date
    tested: date
    test: str
    ahi: float
    events: int
    quoted: str | None
    quoted_ahi: float
    reasons: frozenset[str]
    family_only: bool
    educated: bool
    signed: bool
    report_shown: bool
    central: bool
    replacement: bool


def imagine(random: Random, person: Person, visit: date) -> SleepStory:
    """A story about ``person``, whose order is dated ``visit``."""
    scenario = pick(random, SCENARIOS)
    tested = visit - timedelta(days=random.randint(14, 70))
    ahi = round(random.triangular(15.0, 60.0, 22.0), 1)
    reasons = {reason for reason in (*SYMPTOMS, *DISEASES) if random.random() < 0.22}
    base = SleepStory(
        scenario=scenario,
        visit=visit,
        evaluated=tested - timedelta(days=random.randint(7, 60)),
        tested=tested,
        test=random.choice(("test_psg", "test_hsat", "test_hsat")),
        ahi=ahi,
        events=0,
        quoted=random.choices((None, "ahi_positional"), (4, 1))[0],
        quoted_ahi=round(ahi * 1.5, 1),
        reasons=frozenset(reasons),
        family_only=False,
        educated=True,
        signed=True,
        report_shown=True,
        central=False,
        replacement=False,
    )
    mild = round(random.uniform(5.5, 14.6), 1)
    story = base
    match scenario:
        case "mild_with_reason":
            reason = random.choice((*SYMPTOMS, *DISEASES))
            story = replace(base, ahi=mild, reasons=frozenset(reasons | {reason}))
        case "mild_without_reason":
            story = replace(base, ahi=mild, reasons=frozenset(), quoted=None)
        case "mild_family_only":
            story = replace(base, ahi=mild, reasons=frozenset(), family_only=True, quoted=None)
        case "too_mild":
            story = replace(base, ahi=round(random.uniform(1.0, 4.8), 1))
        case "three_percent_rule":
            story = replace(base, ahi=mild, reasons=frozenset(), quoted="ahi_three_percent")
        case "positional_only":
            story = replace(base, ahi=mild, reasons=frozenset(), quoted="ahi_positional")
        case "residual_only":
            story = replace(base, ahi=mild, reasons=frozenset(), quoted="ahi_residual")
        case "oximetry_only":
            story = replace(base, test="test_oximetry", quoted=None)
        case "study_pending":
            story = replace(base, test="none", quoted=None, evaluated=visit - timedelta(days=random.randint(3, 20)))
        case "evaluated_after_test":
            story = replace(base, evaluated=tested + timedelta(days=random.randint(5, 12)))
        case "no_education":
            story = replace(base, educated=False)
        case "order_unsigned":
            story = replace(base, signed=False)
        case "report_missing":
            story = replace(base, report_shown=False)
        case "central":
            story = replace(base, central=True)
        case "replacement":
            story = replace(base, replacement=True)
    quoted_ahi = (
        round(random.uniform(1.0, 4.0), 1) if story.quoted == "ahi_residual" else round(max(story.ahi * 1.5, 16.5), 1)
    )
    hours = random.uniform(5.2, 7.0)
    return replace(story, events=round(story.ahi * hours), quoted_ahi=quoted_ahi)


def judge(story: SleepStory) -> Judgement:
    """What a careful reviewer makes of the story under the policy."""
    tested = story.test in ("test_psg", "test_hsat") and story.report_shown
    severe = story.ahi >= 15 and story.events >= 30
    mild = 5 <= story.ahi < 15 and story.events >= 10 and bool(story.reasons)
    met = story.evaluated < story.tested and tested and (severe or mild) and story.educated and story.signed
    return Judgement(
        met=met and not story.central and not story.replacement,
        near=abs(story.ahi - 15) < 0.6 or abs(story.ahi - 5) < 0.5,
        ambiguous=story.scenario in ("evaluated_after_test", "report_missing", "three_percent_rule"),
    )


def write(random: Random, bank: Bank, person: Person, story: SleepStory, diagnosis: str) -> list[DocumentDraft]:
    """The packet: the evaluation, the test's report, the order with the supplier's note, sometimes a later visit."""
    visiting = _pen(random, bank, person, story, diagnosis, on=story.evaluated)
    sections = _evaluation(random, visiting, story)
    drafts = [DocumentDraft("progress_note", story.evaluated, visiting.lay_out(sections))]
    if story.test != "none" and story.report_shown:
        read = story.tested + timedelta(days=3)
        reporting = _pen(random, bank, person, story, diagnosis, on=read)
        drafts.append(DocumentDraft("other", read, _report(reporting, story)))
    if story.test != "none" and random.random() < 0.35:
        reviewing = _pen(random, bank, person, story, diagnosis, on=story.visit)
        reviewing.set(problem=reviewing.say("problem"))
        later = {"hpi": [reviewing.say("opening")], "plan": [reviewing.say("follow_up")]}
        drafts.append(DocumentDraft("progress_note", story.visit, reviewing.lay_out(later)))
    ordering = _pen(random, bank, person, story, diagnosis, on=story.visit)
    lines = [ordering.say("order_signed" if story.signed else "order_unsigned")]
    if story.replacement:
        lines.append(ordering.say("replacement"))
    elif random.random() < 0.4:
        lines.append(ordering.say("no_prior_pap"))
    if story.educated and random.random() < 0.6:
        lines.append(ordering.say("education"))
        drafts.append(DocumentDraft("order", story.visit, "\n".join(lines)))
        return drafts
    drafts.append(DocumentDraft("order", story.visit, "\n".join(lines)))
    if story.educated:
        taught = _pen(random, bank, person, story, diagnosis, on=story.visit)
        drafts.append(DocumentDraft("form", story.visit, taught.say("education")))
    return drafts


def _pen(random: Random, bank: Bank, person: Person, story: SleepStory, diagnosis: str, *, on: date) -> Pen:
    pen = Pen(random, bank, person, on)
    pen.set(
        visit=pen.day(story.visit),
        test=pen.day(story.tested),
        read=pen.day(story.tested + timedelta(days=3)),
        setup=pen.day(story.visit),
        future=pen.day(story.visit + timedelta(days=random.randint(7, 30))),
        ahi=f"{story.ahi:.1f}",
        ahi_other=f"{story.quoted_ahi:.1f}",
        events=str(story.events),
        severity="severe" if story.ahi >= 30 else "moderate" if story.ahi >= 15 else "mild",
        ess_high=str(random.randint(12, 19)),
        ess_low=str(random.randint(2, 8)),
        neck=f"{random.uniform(15, 18.5):.1f}",
        nadir=str(random.randint(74, 88)),
        diagnosis=diagnosis,
    )
    return pen


def _evaluation(random: Random, pen: Pen, story: SleepStory) -> dict[str, list[str]]:
    pen.set(problem=pen.say("problem"))
    hpi = [pen.say("opening"), pen.say("complaint")]
    hpi.append(pen.say("sleepy" if "sleepy" in story.reasons else "not_sleepy"))
    if story.evaluated > story.tested and story.test != "none":
        hpi.append(pen.say("late_evaluation"))
    history = [pen.say(reason) for reason in (*SYMPTOMS[1:], *DISEASES) if reason in story.reasons]
    if not story.reasons:
        history += pen.sometimes(0.6, "no_comorbidity")
    if story.family_only:
        history.append(pen.say("family_comorbidity"))
    history += pen.sometimes(0.5, "old_illness") + pen.sometimes(0.4, "social")
    exam = [*pen.sometimes(0.7, "vitals"), pen.say("evaluation"), *pen.sometimes(0.4, "heart_lungs")]
    plan = (
        [pen.say("study_pending" if story.test == "none" else "plan_test")]
        if (story.evaluated < story.tested or story.test == "none")
        else []
    )
    return {"hpi": hpi, "history": history, "exam": exam, "plan": plan + pen.sometimes(0.3, "problem_list_junk")}


def _report(pen: Pen, story: SleepStory) -> str:
    if story.test == "test_oximetry":
        return pen.say("test_oximetry")
    lines = [pen.say(story.test)]
    lines.append(pen.say(story.quoted if story.quoted in ("ahi_positional", "ahi_three_percent") else "ahi"))
    if story.quoted == "ahi_residual":
        lines.append(pen.say("ahi_residual"))
    lines.append(pen.say("test_details"))
    lines.append(pen.say("central" if story.central else "severity_impression"))
    return "\n".join(lines)
