"""Knee MRI (73721): stories, what the policy makes of them, and how a clinic writes them down.

Written after the public criteria named in ``features/policies``: radiographs of the same knee, six weeks of care
without relief and signs of derangement; or a recent injury with radiographs after it and one sign; or a lesion seen on
radiographs; or a locked knee or a torn extensor.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from random import Random

from training.synthetic.banks import Bank
from training.synthetic.story import DocumentDraft, Judgement, Person, Side, Treatment, completed_course, pick
from training.synthetic.writing import Pen

SIGNS = ("mcmurray_positive", "effusion_positive", "lachman_positive", "cannot_bear_weight")

# How often each story is told. The first four are the ways to meet the policy, the rest are the traps.
SCENARIOS: dict[str, float] = {
    "persistent_pain": 42,
    "acute_injury": 20,
    "radiograph_lesion": 6,
    "locked_or_extensor": 5,
    "therapy_planned": 4,
    "therapy_too_short": 4,
    "therapy_elsewhere": 2,
    "brief_medicine_only": 3,
    "no_radiograph": 3,
    "radiograph_pending": 3,
    "radiograph_of_other_knee": 3,
    "other_knee_throughout": 4,
    "signs_negative": 4,
    "injury_years_ago": 3,
    "advanced_arthritis": 3,
    "got_better": 2,
    "notes_contradict": 3,
    "imaged_recently": 2,
    "replaced_joint": 1,
    "pacemaker": 1,
    "pregnant": 1,
}


@dataclass(frozen=True, slots=True)
class KneeStory:
    """What is true. ``side`` is the knee of the story, ``asked`` the knee of the request; ``xray_side`` the one filmed.

    ``xray`` is ``done``, ``lesion``, ``advanced_oa``, ``pending`` or ``none``; ``signs`` the positive of ``SIGNS``;
    ``medicine_weeks`` how long an anti-inflammatory was taken, 0 where the notes do not say.
    """

    scenario: str
    visit: date
    side: Side
    asked: Side
    weeks: int
    injury: date | None
    old_injury: bool
    treatment: Treatment | None
    medicine_weeks: int
    brief_medicine: bool
    better: bool
    xray: str
    xray_side: Side
    xray_date: date
    mechanical: bool
    signs: frozenset[str]
    block: str | None
    contradicted: bool
    exclusion: str | None


def imagine(random: Random, person: Person, visit: date) -> KneeStory:
    """A story about ``person``, seen on ``visit``."""
    scenario = pick(random, SCENARIOS)
    side: Side = random.choice(("left", "right"))
    other: Side = "right" if side == "left" else "left"
    kind = random.choices(("pt", "hep"), weights=(6, 1))[0]
    course = completed_course(random, visit, weeks=random.choices((6, 7, 8, 9, 10), (1, 3, 4, 2, 2))[0], kind=kind)
    signs = {"mcmurray_positive"} if random.random() < 0.8 else {"effusion_positive"}
    if random.random() < 0.3:
        signs.add("effusion_positive")
    base = KneeStory(
        scenario=scenario,
        visit=visit,
        side=side,
        asked=side,
        weeks=course.weeks + (visit - course.ended).days // 7 + random.randint(1, 20),
        injury=None,
        old_injury=False,
        treatment=course,
        medicine_weeks=random.choice((0, 0, 2, 8)),
        brief_medicine=False,
        better=False,
        xray="done",
        xray_side=side,
        xray_date=visit - timedelta(days=random.randint(5, 80)),
        mechanical=random.random() < 0.5,
        signs=frozenset(signs),
        block=None,
        contradicted=False,
        exclusion=None,
    )
    injured = visit - timedelta(days=random.randint(5, 45))
    acute_signs = frozenset(random.sample(SIGNS, random.randint(1, 2)))
    acute = replace(
        base, treatment=None, injury=injured, weeks=(visit - injured).days // 7, signs=acute_signs,
        xray_date=injured + timedelta(days=random.randint(0, 4)),
    )  # fmt: skip
    match scenario:
        case "acute_injury":
            return acute
        case "radiograph_lesion":
            return replace(base, treatment=None, xray="lesion", weeks=random.randint(4, 30))
        case "locked_or_extensor":
            return replace(acute, block=random.choice(("locked", "locked", "extensor")), signs=frozenset())
        case "therapy_planned":
            return replace(base, treatment=replace(course, state="planned"), medicine_weeks=0)
        case "therapy_too_short":
            weeks = random.choices((2, 3, 4, 5), (1, 2, 3, 3))[0]
            short = replace(completed_course(random, visit, weeks=weeks), state="stopped")
            return replace(base, treatment=short, medicine_weeks=random.choice((0, 2, 3)))
        case "therapy_elsewhere":
            return replace(base, treatment=replace(course, region="elsewhere"), medicine_weeks=0)
        case "brief_medicine_only":
            return replace(base, treatment=None, brief_medicine=True, medicine_weeks=0)
        case "no_radiograph":
            return replace(base, xray="none")
        case "radiograph_pending":
            return replace(random.choice((base, acute)), scenario=scenario, xray="pending")
        case "radiograph_of_other_knee":
            return replace(base, xray_side=other)
        case "other_knee_throughout":
            return replace(base, asked=other)
        case "signs_negative":
            return replace(random.choice((base, acute)), scenario=scenario, signs=frozenset(), mechanical=False)
        case "injury_years_ago":
            return replace(base, treatment=None, old_injury=True, signs=acute_signs - {"cannot_bear_weight"})
        case "advanced_arthritis":
            return replace(base, xray="advanced_oa")
        case "got_better":
            return replace(base, better=True, signs=frozenset(), mechanical=False)
        case "notes_contradict":
            return replace(base, contradicted=True, treatment=replace(course, kind="pt"))
        case "imaged_recently":
            return replace(base, exclusion="recent_mri")
        case "replaced_joint":
            return replace(base, exclusion="arthroplasty")
        case "pacemaker":
            return replace(base, exclusion="pacemaker")
        case "pregnant":
            return replace(base, exclusion="pregnant" if person.may_be_pregnant(visit) else "pacemaker")
    return base


def judge(story: KneeStory) -> Judgement:
    """What a careful reviewer makes of the story under the policy."""
    treatment = story.treatment
    filmed = story.xray == "done" and story.xray_side == story.side
    cared_for = (treatment is not None and treatment.counts_for(story.visit)) or (
        story.medicine_weeks >= 6 and treatment is not None
    )
    persistent = filmed and cared_for and not story.better and bool(story.signs or story.mechanical)
    acute = (
        story.injury is not None
        and (story.visit - story.injury).days <= 90
        and filmed
        and story.xray_date >= story.injury
        and bool(story.signs)
    )
    met = persistent or acute or story.xray == "lesion" or story.block is not None
    sound = story.asked == story.side and story.exclusion is None and not story.contradicted
    return Judgement(
        met=met and sound and story.xray != "advanced_oa",
        near=treatment is not None and treatment.state in ("completed", "stopped") and treatment.weeks in (5, 6),
        ambiguous=story.scenario in ("radiograph_of_other_knee", "imaged_recently")
        or (not story.signs and story.mechanical),
    )


def write(random: Random, bank: Bank, person: Person, story: KneeStory, diagnosis: str) -> list[DocumentDraft]:
    """The packet: the visit's note and whatever else the story brings with it."""
    report = story.xray in ("lesion", "advanced_oa") or (story.xray == "done" and random.random() < 0.4)
    pen = _pen(random, bank, person, story, diagnosis)
    sections = _sections(random, pen, story, film_in_note=not report)
    drafts = [DocumentDraft("progress_note", story.visit, pen.lay_out(sections))]
    if report:
        key = {"done": "xray_report", "lesion": "xray_lesion", "advanced_oa": "advanced_oa"}[story.xray]
        reporting = _pen(random, bank, person, story, diagnosis)
        reporting.set(side=story.xray_side)
        drafts.append(DocumentDraft("imaging", story.xray_date, reporting.say(key)))
    treatment = story.treatment
    if treatment is not None and treatment.state == "completed" and treatment.region == "here":
        therapist = _pen(random, bank, person, story, diagnosis)
        if story.contradicted:
            drafts.append(DocumentDraft("therapy_note", treatment.ended, therapist.say("therapy_note_contradicts")))
        elif not story.better and random.random() < 0.35:
            drafts.append(DocumentDraft("therapy_note", treatment.ended, therapist.say("therapy_note_done")))
    if random.random() < 0.45 or story.asked != story.side:
        ordering = _pen(random, bank, person, story, diagnosis)
        ordering.set(side=story.asked)
        drafts.append(DocumentDraft("order", story.visit, ordering.say("order")))
    return drafts


def _pen(random: Random, bank: Bank, person: Person, story: KneeStory, diagnosis: str) -> Pen:
    pen = Pen(random, bank, person, story.visit)
    pen.set(
        side=story.side,
        other="right" if story.side == "left" else "left",
        lasting=pen.lasting(max(story.weeks, 1)),
        onset=pen.day(story.visit - timedelta(weeks=story.weeks)),
        future=pen.day(story.visit + timedelta(days=random.randint(7, 30))),
        old_year=str(story.visit.year - random.randint(3, 8)),
        recent_mri=pen.day(story.visit - timedelta(days=random.randint(30, 120))),
        xray=pen.day(story.xray_date),
        diagnosis=diagnosis,
        medicine_weeks=pen.weeks(story.medicine_weeks),
    )
    if story.injury is not None:
        pen.set(injury=pen.day(story.injury))
    if story.treatment is not None:
        pen.set(
            for_weeks=pen.weeks(max(story.treatment.weeks, 1)),
            began=pen.day(story.treatment.began),
            ended=pen.day(story.treatment.ended),
            visits=str(story.treatment.visits),
        )
    return pen


def _sections(random: Random, pen: Pen, story: KneeStory, *, film_in_note: bool) -> dict[str, list[str]]:
    pen.set(problem=pen.say("problem"))
    hpi = [pen.say("opening")]
    if story.injury is not None:
        hpi.append(pen.say("injury"))
        if story.signs:
            # Rapid swelling is a sign of its own, so it may only be told where signs are true.
            hpi += pen.sometimes(0.5, "swelled")
    else:
        hpi.append(pen.say("lasting"))
    if story.old_injury:
        hpi.append(pen.say("old_injury"))
    if story.block is None:
        hpi.append(pen.say("mechanical" if story.mechanical else "no_mechanical"))
    hpi += pen.sometimes(0.6, "severity")
    plan: list[str] = []
    treatment = story.treatment
    if story.brief_medicine:
        hpi.append(pen.say("brief_medicine"))
    elif treatment is not None:
        if treatment.state == "planned":
            plan.append(pen.say("pt_planned"))
        elif treatment.region == "elsewhere":
            hpi.append(pen.say("pt_other_region"))
        else:
            hpi.append(pen.say("pt_stopped" if treatment.state == "stopped" else f"{treatment.kind}_completed"))
            hpi += [pen.say("medicine_lasting")] if story.medicine_weeks else pen.sometimes(0.5, "medicine")
            hpi.append(pen.say("relief" if story.better else "no_relief"))
    history = pen.sometimes(0.6, "old_illness") + pen.sometimes(0.4, "social") + pen.sometimes(0.3, "relatives")
    if story.exclusion in ("pregnant", "pacemaker", "arthroplasty"):
        history.append(pen.say(story.exclusion))
    results = [pen.say("recent_mri")] if story.exclusion == "recent_mri" else []
    if story.xray == "pending":
        plan.append(pen.say("xray_pending"))
    elif story.xray == "none":
        results += pen.sometimes(0.5, "xray_none")
    elif film_in_note:
        pen.set(side=story.xray_side)
        results.append(pen.say("xray_done"))
        pen.set(side=story.side)
    if story.exclusion is None:
        plan += pen.sometimes(0.4, "no_metal")
    plan += [pen.say("plan_mri"), *pen.sometimes(0.4, "closing")]
    return {
        "hpi": hpi,
        "history": history,
        "exam": _exam(pen, story),
        "results": results,
        "assessment": [pen.say(_assessment(story))],
        "plan": plan,
    }


def _exam(pen: Pen, story: KneeStory) -> list[str]:
    exam = pen.sometimes(0.6, "vitals")
    if story.block is not None:
        exam.append(pen.say(story.block))
    elif story.signs:
        exam += [pen.say(sign) for sign in SIGNS if sign in story.signs]
    else:
        exam.append(pen.say("signs_negative"))
    return exam + pen.sometimes(0.4, "other_knee_normal")


def _assessment(story: KneeStory) -> str:
    if "lachman_positive" in story.signs:
        return "assessment_ligament"
    return "assessment_meniscus" if story.signs or story.block == "locked" else "assessment_plain"
