"""Lumbar spine MRI (72148): stories, what the policy makes of them, and how a clinic writes them down.

Written after the public criteria named in ``features/policies``: six weeks of active care with persistent symptoms and
a planned intervention, or new symptoms after an operation, or nerve-root signs for more than a month despite four weeks
of care, or a red flag that needs no contrast (a fracture only with the radiograph that comes first).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from random import Random

from training.synthetic.banks import Bank
from training.synthetic.story import DocumentDraft, Judgement, Person, Side, Treatment, completed_course, pick
from training.synthetic.writing import Pen

SIGNS = ("slr", "sensation", "reflex", "strength", "claudication")

RED_FLAGS = ("motor_deficit", "motor_deficit", "cauda_equina", "fracture_on_radiograph")

# How often each story is told. The first four are the ways to meet the policy, the rest are the traps.
SCENARIOS: dict[str, float] = {
    "conservative_care": 46,
    "objective_signs": 11,
    "after_surgery": 8,
    "red_flag": 8,
    "signs_without_care": 3,
    "fracture_suspected": 2,
    "therapy_planned": 6,
    "therapy_too_short": 5,
    "therapy_elsewhere": 2,
    "therapy_years_ago": 3,
    "therapy_declined": 2,
    "therapy_claimed_only": 2,
    "therapy_note_missing": 2,
    "started_recently": 2,
    "got_better": 2,
    "no_intervention_planned": 3,
    "surgery_without_change": 2,
    "relative_only": 2,
    "notes_contradict": 3,
    "imaged_recently": 2,
    "pacemaker": 1,
    "pregnant": 1,
    "work_injury": 1,
}


@dataclass(frozen=True, slots=True)
class LumbarStory:
    """What is true. ``signs`` are the positive ones of ``SIGNS``; ``exclusion`` and ``red_flag`` are phrase keys.

    ``medicine_weeks`` is how long a medicine was taken, 0 where the notes do not say.
    """

    scenario: str
    visit: date
    side: Side
    weeks: int
    leg_pain: bool
    treatment: Treatment | None
    medicine_weeks: int
    claims_care: bool
    better: bool
    candidate: bool
    signs: frozenset[str]
    red_flag: str | None
    surgery_year: int | None
    new_since_surgery: bool
    relative_only: bool
    contradicted: bool
    exclusion: str | None
    separate_note: bool


def imagine(random: Random, person: Person, visit: date) -> LumbarStory:
    """A story about ``person``, seen on ``visit``."""
    scenario = pick(random, SCENARIOS)
    kind = random.choices(("pt", "hep", "chiro"), weights=(8, 1, 1))[0]
    course = completed_course(
        random, visit, weeks=random.choices((6, 7, 8, 9, 10, 12), (1, 3, 4, 2, 2, 1))[0], kind=kind
    )
    leg_pain = random.random() < 0.6
    base = LumbarStory(
        scenario=scenario,
        visit=visit,
        side=random.choice(("left", "right")),
        weeks=course.weeks + (visit - course.ended).days // 7 + random.randint(1, 20),
        leg_pain=leg_pain,
        treatment=course,
        medicine_weeks=random.choice((0, 0, 4, 6, 8)),
        claims_care=False,
        better=False,
        candidate=True,
        signs=frozenset(sign for sign in SIGNS[:4] if leg_pain and random.random() < 0.3),
        red_flag=None,
        surgery_year=None,
        new_since_surgery=False,
        relative_only=False,
        contradicted=False,
        exclusion=None,
        separate_note=kind == "pt" and random.random() < 0.3,
    )
    plain = replace(base, signs=frozenset(), leg_pain=random.random() < 0.3)
    match scenario:
        case "objective_signs":
            signs = frozenset(random.sample(SIGNS, random.randint(1, 3)))
            return replace(
                base, treatment=None, candidate=random.random() < 0.4, signs=signs, leg_pain=True,
                weeks=random.randint(5, 16), medicine_weeks=random.randint(4, 5),
            )  # fmt: skip
        case "signs_without_care":
            return replace(
                base, treatment=None, candidate=random.random() < 0.4, signs=frozenset(random.sample(SIGNS, 2)),
                leg_pain=True, weeks=random.randint(3, 8), medicine_weeks=random.randint(0, 2),
            )  # fmt: skip
        case "after_surgery":
            return replace(
                base, treatment=None, surgery_year=visit.year - random.randint(2, 12), new_since_surgery=True,
                leg_pain=True, weeks=random.randint(3, 10), signs=frozenset(), medicine_weeks=0,
            )  # fmt: skip
        case "red_flag":
            return replace(
                base, treatment=None, candidate=False, weeks=random.randint(1, 5), leg_pain=True,
                medicine_weeks=0, red_flag=random.choice(RED_FLAGS),
            )  # fmt: skip
        case "fracture_suspected":
            return replace(
                plain, treatment=None, candidate=False, weeks=random.randint(1, 3), medicine_weeks=0,
                exclusion="fracture_suspected",
            )  # fmt: skip
        case "therapy_planned":
            return replace(plain, treatment=replace(course, state="planned"), separate_note=False)
        case "therapy_too_short":
            weeks = random.choices((1, 2, 3, 4, 5), (1, 2, 3, 4, 4))[0]
            short = replace(completed_course(random, visit, weeks=weeks), state="stopped")
            return replace(plain, treatment=short, separate_note=random.random() < 0.3)
        case "therapy_elsewhere":
            return replace(plain, treatment=replace(course, region="elsewhere"), separate_note=False)
        case "therapy_years_ago":
            return replace(plain, treatment=replace(course, state="years_ago"), separate_note=False)
        case "therapy_declined":
            return replace(plain, treatment=replace(course, state="declined"), separate_note=False)
        case "therapy_claimed_only":
            return replace(plain, treatment=None, claims_care=True)
        case "therapy_note_missing":
            return replace(plain, treatment=replace(course, kind="pt", shown=False), separate_note=True)
        case "started_recently":
            return replace(
                plain, treatment=None, medicine_weeks=0, weeks=random.randint(1, 3), claims_care=random.random() < 0.4
            )
        case "got_better":
            return replace(plain, better=True, separate_note=False)
        case "no_intervention_planned":
            return replace(plain, candidate=False)
        case "surgery_without_change":
            return replace(plain, treatment=None, surgery_year=visit.year - random.randint(2, 12))
        case "relative_only":
            return replace(plain, treatment=None, relative_only=True, weeks=random.randint(8, 16))
        case "notes_contradict":
            return replace(plain, treatment=replace(course, kind="pt"), contradicted=True, separate_note=False)
        case "imaged_recently":
            return replace(base, exclusion="recent_mri")
        case "pacemaker":
            return replace(base, exclusion="pacemaker")
        case "pregnant":
            return replace(base, exclusion="pregnant" if person.may_be_pregnant(visit) else "pacemaker")
        case "work_injury":
            return replace(base, exclusion="work_injury")
    return base


def judge(story: LumbarStory) -> Judgement:
    """What a careful reviewer makes of the story under the policy."""
    treatment = story.treatment
    cared_for = treatment is not None and treatment.counts_for(story.visit)
    by_care = cared_for and story.weeks >= 6 and story.candidate and not story.better
    after_surgery = story.surgery_year is not None and story.new_since_surgery
    course = treatment is not None and treatment.counts_for(story.visit, weeks=4)
    by_signs = (
        bool(story.signs)
        and story.leg_pain
        and story.weeks > 4
        and (course or story.medicine_weeks >= 4)
        and not story.better
    )
    met = by_care or after_surgery or by_signs or story.red_flag is not None
    near = (treatment is not None and treatment.state in ("completed", "stopped") and treatment.weeks in (5, 6)) or (
        bool(story.signs) and treatment is None and story.weeks in (4, 5)
    )
    return Judgement(
        met=met and story.exclusion is None and not story.contradicted,
        near=near,
        ambiguous=story.scenario in ("therapy_note_missing", "therapy_claimed_only", "imaged_recently"),
    )


def write(random: Random, bank: Bank, person: Person, story: LumbarStory, diagnosis: str) -> list[DocumentDraft]:
    """The packet: the visit's note and whatever else the story brings with it."""
    pen = _pen(random, bank, person, story, diagnosis)
    drafts = [DocumentDraft("progress_note", story.visit, pen.lay_out(_sections(random, pen, story)))]
    treatment = story.treatment
    if treatment is not None:
        note = None
        if story.contradicted:
            note = "therapy_note_contradicts"
        elif story.separate_note and treatment.shown and treatment.state in ("completed", "stopped"):
            note = "therapy_note_done" if treatment.state == "completed" else "therapy_note_stopped"
        if note:
            other = _pen(random, bank, person, story, diagnosis)
            drafts.append(DocumentDraft("therapy_note", treatment.ended, other.say(note)))
    fracture = story.red_flag == "fracture_on_radiograph" or story.exclusion == "fracture_suspected"
    if not fracture and random.random() < 0.25:
        taken = story.visit - timedelta(days=random.randint(20, 90))
        drafts.append(DocumentDraft("imaging", taken, _pen(random, bank, person, story, diagnosis).say("xray")))
    if random.random() < 0.45:
        ordered = _pen(random, bank, person, story, diagnosis).say("order")
        drafts.append(DocumentDraft("order", story.visit, ordered))
    return drafts


def _pen(random: Random, bank: Bank, person: Person, story: LumbarStory, diagnosis: str) -> Pen:
    pen = Pen(random, bank, person, story.visit)
    pen.set(
        side=story.side,
        lasting=pen.lasting(story.weeks),
        onset=pen.day(story.visit - timedelta(weeks=story.weeks)),
        future=pen.day(story.visit + timedelta(days=random.randint(7, 30))),
        old_year=str(story.visit.year - random.randint(3, 8)),
        recent_mri=pen.day(story.visit - timedelta(days=random.randint(30, 120))),
        angle=str(random.choice((30, 35, 40, 45, 50))),
        days=str(random.randint(2, 9)),
        diagnosis=diagnosis,
        medicine_weeks=pen.weeks(story.medicine_weeks),
    )
    if story.treatment is not None:
        pen.set(
            for_weeks=pen.weeks(max(story.treatment.weeks, 1)),
            began=pen.day(story.treatment.began),
            ended=pen.day(story.treatment.ended),
            visits=str(story.treatment.visits),
        )
    if story.surgery_year is not None:
        pen.set(surgery=random.choice(bank.phrases["surgeries"]), surgery_year=str(story.surgery_year))
    return pen


def _sections(random: Random, pen: Pen, story: LumbarStory) -> dict[str, list[str]]:
    pen.set(problem=pen.say("problem" if story.leg_pain else "problem_no_leg"))
    hpi = [pen.say("opening")]
    if story.leg_pain and (story.signs or random.random() < 0.4):
        # Nerve-root signs count only with leg pain of stated length, so the leg gets its own.
        hpi += [pen.say("lasting_leg"), *pen.sometimes(0.3, "leg")]
    else:
        hpi += [pen.say("lasting"), pen.say("leg" if story.leg_pain else "no_leg")]
    if not story.better:
        hpi += pen.sometimes(0.7, "severity")
    if story.exclusion == "work_injury":
        hpi.append(pen.say("work_injury"))
    plan = _treatment_sentences(random, pen, story, hpi)
    if story.surgery_year is not None and story.new_since_surgery:
        hpi.append(pen.say("new_since_surgery"))
    elif story.surgery_year is not None:
        hpi.append(pen.say("same_since_surgery"))
    if story.red_flag is not None:
        hpi.append(pen.say(story.red_flag))
    elif story.exclusion == "fracture_suspected":
        hpi.append(pen.say("fracture_suspected"))
    else:
        hpi += pen.sometimes(0.75, "red_flags_denied")
    history = pen.sometimes(0.6, "old_illness") + pen.sometimes(0.4, "social") + pen.sometimes(0.3, "relatives")
    if story.surgery_year is not None:
        history.append(pen.say("prior_surgery"))
    if story.relative_only:
        history.append(pen.say("relative_only"))
    if story.exclusion in ("pregnant", "pacemaker"):
        history.append(pen.say(story.exclusion))
    results = [pen.say("recent_mri")] if story.exclusion == "recent_mri" else []
    if story.exclusion is None:
        plan += pen.sometimes(0.5, "no_metal")
    plan.append(pen.say("candidate" if story.candidate else "no_candidate"))
    plan += pen.sometimes(0.4, "closing") + pen.sometimes(0.2, "problem_list_junk")
    if story.better:
        assessment = [pen.say("assessment_better")]
    else:
        assessment = [pen.say("assessment_radicular" if story.leg_pain else "assessment_axial")]
    return {
        "hpi": hpi,
        "history": history,
        "exam": _exam(random, pen, story),
        "results": results,
        "assessment": assessment,
        "plan": plan,
    }


def _treatment_sentences(random: Random, pen: Pen, story: LumbarStory, hpi: list[str]) -> list[str]:
    """Adds what was tried to ``hpi``; returns what belongs in the plan."""
    treatment = story.treatment
    tried = [pen.say("medicine_lasting")] if story.medicine_weeks else pen.sometimes(0.6, "medicine")
    if story.claims_care:
        hpi.append(pen.say("claim_undated"))
    if treatment is None:
        hpi += tried
        if story.signs and story.red_flag is None:
            hpi.append(pen.say("no_relief_medicine"))
        return []
    if treatment.state == "planned":
        hpi += tried
        return [pen.say("pt_planned")]
    if treatment.region == "elsewhere":
        hpi += [pen.say("pt_other_region"), *tried]
    elif treatment.state == "years_ago":
        hpi += [pen.say("pt_old"), *tried]
    elif treatment.state == "declined":
        hpi += [pen.say("pt_declined"), *tried]
    elif story.separate_note and treatment.state == "completed":
        hpi += [pen.say("pt_see_note"), *tried]
    elif treatment.state == "stopped":
        hpi += [pen.say("pt_stopped"), *tried]
    else:
        hpi += [pen.say(f"{treatment.kind}_completed"), *tried]
    if treatment.state in ("completed", "stopped") and treatment.region == "here":
        hpi.append(pen.say("relief" if story.better else "no_relief"))
    return []


def _exam(random: Random, pen: Pen, story: LumbarStory) -> list[str]:
    exam = pen.sometimes(0.7, "vitals") + pen.sometimes(0.3, "heart_lungs")
    exam.append(pen.say("slr_positive" if "slr" in story.signs else "slr_negative"))
    exam.append(pen.say("sensation_lost" if "sensation" in story.signs else "sensation_normal"))
    if "reflex" in story.signs or random.random() < 0.7:
        exam.append(pen.say("reflex_lost" if "reflex" in story.signs else "reflex_normal"))
    if "strength" in story.signs:
        exam.append(pen.say("strength_mild"))
    elif story.red_flag != "motor_deficit":
        exam.append(pen.say("strength_normal"))
    if "claudication" in story.signs:
        exam.append(pen.say("claudication"))
    return exam
