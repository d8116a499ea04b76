"""Small notes and what must be read in them. Each passage stands for a way of writing, none for a single sentence."""

from __future__ import annotations

import pickle
from datetime import date
from typing import Any

import pytest
from building import VISIT, facts_in, facts_of

from features.extract import extract
from features.types import Course, DocumentType, Fact

PT, NSAID, HOME = "physical_therapy", "nsaid", "home_exercise_program"
DONE = {Course.COMPLETED, Course.ONGOING, Course.FAILED, Course.NOT_TOLERATED, Course.STATED}


def first(concept: str, text: str, kind: DocumentType = "progress_note", day: date | None = VISIT) -> Fact:
    found = facts_of(concept, text, kind, day)
    assert found, f"{concept} was not found"
    return found[0]


EPISODES: list[tuple[str, str, Any, Any, Course]] = [
    # text, treatment, value, unit, course
    ("Failed 8 weeks of PT and naproxen.", PT, 8, "wk", Course.FAILED),
    ("Failed 8 weeks of PT and naproxen.", NSAID, 8, "wk", Course.FAILED),
    ("Physical therapy for 6 weeks without relief.", PT, 6, "wk", Course.FAILED),
    ("PT for six weeks did not help.", PT, 6, "wk", Course.FAILED),
    ("Completed 12 sessions of PT over six weeks from 6/1 to 7/20.", PT, 6, "wk", Course.COMPLETED),
    ("She completed 8 weeks of physical therapy.", PT, 8, "wk", Course.COMPLETED),
    ("Six weeks of chiropractic treatment completed in September 2026.", "chiropractic", 6, "wk", Course.COMPLETED),
    ("Finished a 6-week course of physiotherapy.", PT, 6, "wk", Course.COMPLETED),
    ("She did PT for 3 weeks, then stopped because of transportation.", PT, 3, "wk", Course.COMPLETED),
    ("Currently attending physical therapy, 4 weeks so far.", PT, 4, "wk", Course.ONGOING),
    ("Has been doing home exercises for 3 months.", HOME, 3, "mo", Course.ONGOING),
    ("Tried meloxicam 15 mg daily for two months.", NSAID, 2, "mo", Course.STATED),
    ("Symptoms persist despite 8 weeks of physical therapy.", PT, 8, "wk", Course.STATED),
    ("Naproxen 500 mg BID x 6 weeks, minimal benefit.", NSAID, 6, "wk", Course.FAILED),
    ("Ibuprofen stopped due to GI upset.", NSAID, None, None, Course.NOT_TOLERATED),
    ("NSAIDs are contraindicated because of CKD.", NSAID, None, None, Course.CONTRAINDICATED),
    ("PT 2x/week for 6 weeks ordered.", PT, 6, "wk", Course.PLANNED),
    ("He will start physical therapy for 8 weeks.", PT, 8, "wk", Course.PLANNED),
    ("Referred to physical therapy for six weeks.", PT, 6, "wk", Course.PLANNED),
    ("Was prescribed 6 weeks of PT.", PT, 6, "wk", Course.PLANNED),
    ("Requesting PT for 6 weeks.", PT, 6, "wk", Course.PLANNED),
    ("PT authorization for 12 visits over 6 weeks approved.", PT, 6, "wk", Course.PLANNED),
    ("PT to be completed over 8 weeks.", PT, 8, "wk", Course.PLANNED),
    ("Instructed to take ibuprofen for 6 weeks.", NSAID, 6, "wk", Course.PLANNED),
    ("Continue home exercises for 6 weeks.", HOME, 6, "wk", Course.PLANNED),
    ("Advised to continue home exercise program for six weeks and follow up.", HOME, 6, "wk", Course.PLANNED),
    ("Insurance requires six weeks of physical therapy.", PT, 6, "wk", Course.PLANNED),
    ("Plan: PT 8 weeks. Return after.", PT, 8, "wk", Course.PLANNED),
    ("PT scheduled from 12/1/2026 to 1/15/2027.", PT, 45, "d", Course.PLANNED),
]


@pytest.mark.parametrize(("text", "concept", "value", "unit", "course"), EPISODES)
def test_a_treatment_is_read_with_its_length_and_how_it_went(
    text: str, concept: str, value: Any, unit: Any, course: Course
) -> None:
    fact = first(concept, text)
    assert (fact.value, fact.unit, fact.course) == (value, unit, course)


NOT_DONE = [
    "Patient declined physical therapy.",
    "Physical therapy was recommended but he never attended.",
    "Has not completed 6 weeks of physical therapy.",
    "He has not yet completed physical therapy, only 3 of 12 visits.",
    "No physical therapy so far.",
    "PT x 6 weeks was denied by insurance.",
    "Could not afford 6 weeks of PT.",
    "Her sister did 8 weeks of physical therapy.",
    "Consider 8 weeks of physical therapy.",
    "If PT for 8 weeks fails, surgery is an option.",
    "She will complete 6 weeks of physical therapy next month.",
    "Patient has been told she needs 6 weeks of physical therapy before MRI.",
]


@pytest.mark.parametrize("text", NOT_DONE)
def test_what_was_not_done_is_never_taken_for_done(text: str) -> None:
    for fact in facts_of(PT, text):
        assert not (fact.assertion.is_patients_own and fact.course in DONE)


DATED: list[tuple[str, str, date | None, date | None]] = [
    ("PT from 8/31/2026 to 10/26/2026.", PT, date(2026, 8, 31), date(2026, 10, 26)),
    ("PT evaluation on 9/8/2026, discharged 10/27/2026.", PT, date(2026, 9, 8), date(2026, 10, 27)),
    ("Physical therapy x 6 weeks (8/3/26 - 9/14/26), no improvement.", PT, date(2026, 8, 3), date(2026, 9, 14)),
    ("Completed 12 sessions of PT over six weeks from 6/1 to 7/20.", PT, date(2026, 6, 1), date(2026, 7, 20)),
    ("Low back pain since July 2026.", "low_back_pain", None, None),
]


@pytest.mark.parametrize(("text", "concept", "began", "ended"), DATED[:4])
def test_a_period_has_its_first_and_last_day(text: str, concept: str, began: date, ended: date) -> None:
    fact = first(concept, text)
    assert (fact.began, fact.ended) == (began, ended)


def test_an_open_period_lasts_until_the_documents_day_and_no_longer() -> None:
    fact = first("low_back_pain", "Low back pain since 9/1/2026.")
    assert (fact.began, fact.ended, fact.value, fact.unit) == (date(2026, 9, 1), None, 70.0, "d")
    undated = first("low_back_pain", "Low back pain since 9/1/2026.", day=None)
    assert undated.value is None


def test_of_a_treatment_that_goes_on_only_the_part_up_to_the_note_counts() -> None:
    fact = first(PT, "Attending PT from 10/30/2026 to 12/30/2026.")
    assert (fact.value, fact.unit, fact.ended) == (11.0, "d", None)


TOOK_PLACE: set[Course | None] = {*DONE}
THERAPIST: list[tuple[str, float | None, set[Course | None]]] = [
    (
        "PT DISCHARGE SUMMARY\nDx: low back pain\nIE 9/8/26, last seen 10/27/26. 14 visits (2x/wk, 7 wks).",
        49.0,
        TOOK_PLACE,
    ),
    (
        "PT INITIAL EVALUATION\nDx: low back pain\nPlan of care: 2x/week for 8 weeks starting 11/10/2026.",
        None,
        {None, Course.PLANNED},
    ),
    ("PHYSICAL THERAPY NOTE\nVisit 3 of 12.\nCertification period 10/30/2026 to 12/30/2026.", None, {None, *DONE}),
    (
        "PT discharge: attended only the initial evaluation on 9/1/2026, then no-showed. Discharged 10/20/2026.",
        49.0,
        {Course.NOT_ATTENDED},
    ),
]


@pytest.mark.parametrize(("text", "days", "courses"), THERAPIST)
def test_a_therapists_note_is_about_one_course_and_its_plan_is_no_course(
    text: str, days: float | None, courses: set[Course | None]
) -> None:
    fact = first(PT, text, "therapy_note")
    assert fact.course in courses
    if days is None:
        assert fact.value is None or (fact.unit == "d" and isinstance(fact.value, float) and fact.value <= 14)
    else:
        assert (fact.value, fact.unit) == (days, "d")


LENGTHS: list[tuple[str, str, float, str]] = [
    ("Low back pain for 3 months.", "low_back_pain", 3, "mo"),
    ("Three-month history of low back pain.", "low_back_pain", 3, "mo"),
    ("Right knee pain for 2 months.", "knee_pain", 2, "mo"),
    ("Left knee pain x 8 weeks after a fall.", "knee_pain", 8, "wk"),
    ("Back pain for three months despite four weeks of PT.", "low_back_pain", 3, "mo"),
    ("Back pain for three months despite four weeks of PT.", PT, 4, "wk"),
    ("Sciatica for 10 weeks.", "radicular_pain", 10, "wk"),
]


@pytest.mark.parametrize(("text", "concept", "value", "unit"), LENGTHS)
def test_a_length_belongs_to_what_it_stands_beside(text: str, concept: str, value: float, unit: str) -> None:
    fact = first(concept, text)
    assert (fact.value, fact.unit) == (value, unit)


@pytest.mark.parametrize(
    "text",
    [
        "58-year-old with low back pain.",
        "Low back pain. Return in 6 weeks.",
        "Low back pain, worse 2 days a week.",
    ],
)
def test_an_age_a_return_visit_and_a_frequency_are_no_length(text: str) -> None:
    assert first("low_back_pain", text).value is None


ASSERTED: list[tuple[str, str, str]] = [
    ("Pt denies low back pain.", "low_back_pain", "negated"),
    ("No low back pain.", "low_back_pain", "negated"),
    ("He no longer has back pain.", "low_back_pain", "negated"),
    ("He denies saddle anesthesia, bowel or bladder incontinence.", "bladder_or_bowel_dysfunction", "negated"),
    ("Denies fever, chills, weight loss.", "unexplained_weight_loss", "negated"),
    ("No pacemaker or metal implants.", "metal_implant", "negated"),
    ("Pregnancy test negative.", "pregnancy", "negated"),
    ("HTN: denies.", "hypertension", "negated"),
    ("Possible cauda equina syndrome.", "bladder_or_bowel_dysfunction", "uncertain"),
    ("Rule out cauda equina.", "bladder_or_bowel_dysfunction", "uncertain"),
    ("Concern for cauda equina syndrome.", "bladder_or_bowel_dysfunction", "uncertain"),
    ("If she develops foot drop, return to the emergency room.", "progressive_motor_deficit", "hypothetical"),
    ("Advised to seek care for bladder incontinence or foot drop.", "progressive_motor_deficit", "hypothetical"),
    ("We will obtain an MRI of the lumbar spine.", "lumbar_mri", "hypothetical"),
    ("CPAP teaching to be arranged on delivery.", "device_instruction", "hypothetical"),
    ("Knee x-ray to be done this week.", "knee_radiograph", "hypothetical"),
    ("Non-focal neurologic exam.", "focal_neurologic_deficit", "negated"),
    ("Has not yet seen the dietitian.", "nutrition_evaluation", "negated"),
    ("Could not drive the demo power chair safely.", "drives_power_chair_safely", "negated"),
    ("Leg pain perhaps from the hip.", "radicular_pain", "uncertain"),
    ("Facetectomy at L5-S1 may be needed.", "destabilizing_resection", "uncertain"),
    ("Would place on BiPAP should she tire.", "noninvasive_ventilation", "hypothetical"),
    ("Dietitian evaluation on 12/9/2026.", "nutrition_evaluation", "hypothetical"),
    ("Husband quit smoking last year.", "tobacco_abstinence", "family"),
    ("High probability of CAD.", "coronary_disease", "uncertain"),
    ("History of prostate cancer.", "cancer", "historical"),
    ("Lumbar MRI 6 months ago.", "lumbar_mri", "historical"),
    ("Mother has low back pain.", "low_back_pain", "family"),
    ("Sister with breast cancer.", "cancer", "family"),
    ("Family history: breast cancer.", "cancer", "family"),
    ("No hypertension in the patient. Family history of stroke.", "stroke", "family"),
]


@pytest.mark.parametrize(("text", "concept", "flag"), ASSERTED)
def test_how_a_finding_is_stated(text: str, concept: str, flag: str) -> None:
    fact = first(concept, text)
    assert getattr(fact.assertion, flag)
    assert not fact.assertion.is_patients_own or flag == "historical"


@pytest.mark.parametrize(
    ("text", "concept"),
    [
        ("Denies saddle numbness but has urinary retention.", "bladder_or_bowel_dysfunction"),
        ("Reports foot drop since last week.", "progressive_motor_deficit"),
        ("Wife reports witnessed apneas and loud snoring.", "snoring"),
        ("Wife reports witnessed apneas and loud snoring.", "witnessed_apnea"),
        ("Cardiac pacemaker in situ.", "cardiac_implant"),
        ("She is 20 weeks pregnant.", "pregnancy"),
        ("This is a workers' compensation claim.", "workers_compensation"),
        ("MRI with and without contrast is needed.", "contrast_study_needed"),
        ("Already using CPAP nightly with good compliance.", "other_airway_pressure_path"),
        ("Signed: ______ Date: ____", "signature_missing"),
        ("CPAP order, signature pending.", "signature_missing"),
        ("Symptoms only 30% better.", "persistent_symptoms"),
        ("Non-Hodgkin lymphoma in remission.", "lymphoma"),
        ("Dietitian evaluation on 9/12/2026.", "nutrition_evaluation"),
        ("Wife administered glucagon for a glucose of 44.", "severe_hypoglycemia"),
        ("On BiPAP since she tired.", "noninvasive_ventilation"),
        ("Waiting for transport, none until tomorrow.", "convenience_delay"),
        ("Left heart catheterization scheduled for 12/4/2026.", "catheterization_scheduled"),
        ("Drives the demo power chair safely.", "drives_power_chair_safely"),
    ],
)
def test_what_the_patient_has_is_the_patients_own(text: str, concept: str) -> None:
    assert first(concept, text).assertion.is_patients_own


@pytest.mark.parametrize(
    "text",
    [
        "PT was done for 8 weeks.",
        "PT was not helpful.",
        "PT has been ongoing since June.",
        "PT was tried and failed.",
        "PT is helping.",
        "PT was started last month.",
        "PT has not helped.",
        "PT was prescribed for six weeks.",
    ],
)
def test_what_is_said_of_a_therapy_tells_it_from_a_patient(text: str) -> None:
    assert [fact.text for fact in facts_of(PT, text)] == ["PT"]


@pytest.mark.parametrize(
    ("text", "concept"),
    [
        ("PT/INR 1.1 today.", PT),
        ("Pt denies low back pain.", PT),
        ("PT is a 58-year-old man.", PT),
        ("PT was seen for 8 weeks.", PT),
        ("PT was tried on gabapentin.", PT),
        ("PT was started on lisinopril.", PT),
        ("PT was prescribed naproxen.", PT),
        ("PT has failed naproxen.", PT),
        ("PT is going home.", PT),
        ("AHI must be at least 15.", "low_back_pain"),
        ("Symptoms 90% better after 8 weeks of PT.", "persistent_symptoms"),
        ("MRI lumbar spine without contrast.", "contrast_study_needed"),
        ("ICD-10 code M54.16", "cardiac_implant"),
        ("Hay fever every spring.", "fever"),
        ("Stress SPECT, multiple studies. Dx abnormal electrocardiogram.", "coronary_stenosis"),
        ("SPECT MPI with stress, abnormal electrocardiogram.", "coronary_stenosis"),
        ("No chest pain at rest.", "chest_pain"),
        ("Back pain is better lying down.", "positional_headache"),
        ("No bleeding on head CT.", "no_earlier_brain_imaging"),
        ("Cytology 3/4/2026: negative for malignant cells.", "cancer_proven"),
        ("CT-guided needle biopsy.", "biopsy_site_purpose"),
        ("First PET showed uptake.", "first_pet"),
        ("This is the first visit.", "first_pet"),
        ("Anterior cervical discectomy 2015.", "prior_lumbar_surgery"),
    ],
)
def test_a_word_that_means_something_else_is_not_read(text: str, concept: str) -> None:
    assert facts_of(concept, text) == []


RESULTS: list[tuple[str, str, Any, Any]] = [
    ("Straight leg raise positive on the left at 40 degrees.", "straight_leg_raise", "positive", "left"),
    ("SLR negative bilaterally.", "straight_leg_raise", "negative", "bilateral"),
    ("Lachman and anterior drawer are negative, McMurray positive medially.", "lachman", "negative", None),
    (
        "Lachman and anterior drawer are negative, McMurray positive medially.",
        "drawer_or_pivot_shift",
        "negative",
        None,
    ),
    ("Lachman and anterior drawer are negative, McMurray positive medially.", "mcmurray", "positive", None),
    ("Right knee pain for 2 months. Lachman 2B.", "lachman", "positive", "right"),
    ("Positive McMurray on the right.", "mcmurray", "positive", "right"),
    ("Lachman test was done.", "lachman", None, None),
    ("No varus/valgus laxity.", "collateral_laxity", "negative", None),
    ("No gapping with valgus stress.", "collateral_laxity", "negative", None),
    ("Valgus laxity of the left knee.", "collateral_laxity", "positive", "left"),
]


@pytest.mark.parametrize(("text", "concept", "value", "side"), RESULTS)
def test_a_sign_has_its_result_and_side(text: str, concept: str, value: Any, side: Any) -> None:
    fact = first(concept, text)
    assert (fact.value, fact.laterality) == (value, side)
    assert fact.assertion.negated == (value == "negative")


SIDES: list[tuple[str, str, Any]] = [
    ("Left knee effusion, right knee normal.", "knee_effusion", "left"),
    ("Right knee pain.", "knee_pain", "right"),
    ("Bilateral knee pain.", "knee_pain", "bilateral"),
    ("Knee pain. No side is named.", "knee_pain", None),
    ("He left the clinic with knee pain.", "knee_pain", None),
    ("X-ray of the right knee on 9/12/2026: no fracture.", "radiograph_result", "right"),
]


@pytest.mark.parametrize(("text", "concept", "side"), SIDES)
def test_a_finding_is_on_the_side_its_sentence_names(text: str, concept: str, side: Any) -> None:
    assert first(concept, text).laterality == side


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("PT for the neck, 8 weeks.", "neck"),
        ("Physical therapy for right shoulder completed.", "shoulder"),
        ("Completed 8 weeks of PT for low back pain.", "lumbar"),
        ("Completed 8 weeks of PT.", None),
    ],
)
def test_a_treatment_is_for_the_part_its_sentence_names(text: str, region: str | None) -> None:
    assert first(PT, text).region == region


STUDIES: list[tuple[str, str, DocumentType, date | None]] = [
    ("MRI lumbar spine on 3/4/2026 showed L4-5 herniation.", "lumbar_mri", "progress_note", date(2026, 3, 4)),
    ("MRI of the lumbar spine in March 2025 showed a bulge.", "lumbar_mri", "progress_note", date(2025, 3, 31)),
    ("Prior MRI of the lumbar spine (2/2026) reviewed.", "lumbar_mri", "progress_note", date(2026, 2, 28)),
    ("Home sleep apnea test of 9/12/2026, AHI 22.", "sleep_study_home", "progress_note", date(2026, 9, 12)),
    ("X-RAY RIGHT KNEE\nDate of exam: 10/05/2026\nNo fracture.", "knee_radiograph", "imaging", date(2026, 10, 5)),
    ("X-RAY RIGHT KNEE\nDate of exam: 10/05/2026\nNo fracture.", "radiograph_result", "imaging", date(2026, 10, 5)),
    ("Right knee MRI will be obtained.", "knee_mri", "progress_note", None),
]


@pytest.mark.parametrize(("text", "concept", "kind", "day"), STUDIES)
def test_a_date_is_that_of_the_study_and_not_of_a_part_of_the_body(
    text: str, concept: str, kind: DocumentType, day: date | None
) -> None:
    assert first(concept, text, kind).date == day


VALUES: list[tuple[str, str, float, str]] = [
    ("AHI 22.4 events/h on home sleep apnea test.", "ahi", 22.4, "{events}/h"),
    ("BMI 31.2, BP 140/88.", "bmi", 31.2, "kg/m2"),
    ("BMI 31.2, BP 140/88.", "blood_pressure_systolic", 140, "mm[Hg]"),
    ("Epworth 14/24.", "epworth", 14, "{score}"),
    ("Strength left EHL 4/5.", "muscle_strength", 4, "{grade}"),
    ("AHI 4 on study, RDI 16.", "rdi", 16, "{events}/h"),
]


@pytest.mark.parametrize(("text", "concept", "value", "unit"), VALUES)
def test_a_value_has_its_unit(text: str, concept: str, value: float, unit: str) -> None:
    fact = first(concept, text)
    assert (fact.value, fact.unit, fact.category, fact.context) == (value, unit, "measurement", None)


def test_the_limit_of_a_rule_is_marked_as_one() -> None:
    assert first("ahi", "AHI must be at least 15.").context == "limit"


@pytest.mark.parametrize(
    ("text", "concept", "day"),
    [
        ("Prior study 2017 (lab): AHI 6.", "ahi", date(2017, 12, 31)),
        ("Echo on 3/2/2026 EF 40%.", "ejection_fraction", date(2026, 3, 2)),
        ("SpO2 86% on room air at rest on 3/2/2026.", "spo2", date(2026, 3, 2)),
        ("AHI 22 (3/2/2026).", "ahi", date(2026, 3, 2)),
        ("Last recorded BMI 37.8, 9/9/2024.", "bmi", date(2024, 9, 9)),
        ("BMI 37.8, 9/9/2024 weight 250 lb.", "bmi", None),
        ("Psych evaluation with clearance was on 11/14/2024.", "psychological_clearance", date(2024, 11, 14)),
        ("Patient DOB: 3/8/1951   Sex: M\nINFUSION DISCONTINUED OVERNIGHT.", "care_stopped", None),
        ("PTP 34% (2021 model).", "pretest_probability", None),
        ("Hypertension since 2012, BMI 31.", "bmi", None),
        ("Since 2012 BMI 31.", "bmi", None),
    ],
)
def test_a_value_has_the_date_that_stands_beside_it(text: str, concept: str, day: date | None) -> None:
    assert first(concept, text).date == day


def test_facts_are_numbered_in_the_order_they_stand() -> None:
    facts = facts_in("Low back pain. No fever. AHI 22. Completed PT for 8 weeks.")
    assert [fact.fact_id for fact in facts] == [f"f{number}" for number in range(1, len(facts) + 1)]
    assert [fact.start for fact in facts] == sorted(fact.start for fact in facts)


@pytest.mark.parametrize(
    ("text", "past"),
    [
        ("Did great after the operation, leg pain gone. Seven weeks ago the pain came back.", True),
        ("Her symptoms resolved for five months, then they returned.", True),
        ("Pain is now gone. Return if numbness worsens.", False),
        ("Symptoms resolved. No recurrence of symptoms since.", False),
    ],
)
def test_what_was_gone_and_came_back_is_past(text: str, past: bool) -> None:
    assert first("symptoms_resolved", text).assertion.historical is past


def test_a_value_behind_a_denial_and_a_comma_is_given() -> None:
    assert not first("kellgren_lawrence", "Left knee: no fracture, KL 1.").assertion.negated


@pytest.mark.parametrize(
    ("text", "torn", "intact"),
    [
        ("Complex tear of the posterior horn of the medial meniscus. Lateral meniscus intact.", "medial", "lateral"),
        ("Lateral meniscus: radial tear of the body. Medial meniscus normal.", "lateral", "medial"),
        ("Medial meniscus intact, lateral meniscus torn.", "lateral", "medial"),
        ("PHMM tear to the inferior surface; LM, cruciates and MCL intact.", "medial", "lateral"),
        ("ACL tear, medial meniscus normal, lateral meniscus normal.", None, "medial"),
    ],
)
def test_the_meniscus_that_is_torn_is_told_from_the_other(text: str, torn: str | None, intact: str) -> None:
    found = {fact.concept for fact in facts_in(text, "imaging") if not fact.assertion.negated}
    tears = {concept for concept in ("medial_meniscal_tear", "lateral_meniscal_tear") if concept in found}
    assert tears == ({f"{torn}_meniscal_tear"} if torn else set())
    assert f"{intact}_meniscus_intact" in found


@pytest.mark.parametrize("between", [" - ", " -> ", " → ", " thru "])
def test_a_period_may_be_written_with_an_arrow(between: str) -> None:
    therapy = first(PT, f"PT 7/20/26{between}9/25/26, 18 visits.")
    assert (therapy.began, therapy.ended) == (date(2026, 7, 20), date(2026, 9, 25))


def test_a_treatment_followed_by_the_dates_of_its_visits_went_from_first_to_last() -> None:
    text = "Physician supervised program, visits 4/13, 5/11, 6/8, 7/13, 8/10, regained."
    document = {"document_id": "d1", "type": "progress_note", "date": "2026-10-20", "text": text}
    facts = [fact for fact in extract([document]) if fact.concept == "weight_loss_program"]
    assert [(str(fact.began), str(fact.ended), fact.value) for fact in facts] == [("2026-04-13", "2026-08-10", 119.0)]


def test_a_list_of_denials_does_not_deny_what_denies_already() -> None:
    text = "No reflux, never smoked and no diabetes."
    document = {"document_id": "d1", "type": "progress_note", "date": "2026-10-20", "text": text}
    negated = {fact.concept: fact.assertion.negated for fact in extract([document])}
    assert negated["tobacco_abstinence"] is False
    assert negated["reflux_disease"] is negated["diabetes_mellitus"] is True


def test_a_denial_inside_one_name_of_a_concept_denies_no_other_name_of_it() -> None:
    found = facts_of(
        "psychological_clearance", "Conclusion: no psychological contraindication, good candidate for surgery."
    )
    assert found
    assert not any(one.assertion.negated for one in found)
    (denied,) = facts_of("psychological_clearance", "She is not a good candidate for surgery.")
    assert denied.assertion.negated


@pytest.mark.parametrize(
    ("text", "began", "ended"),
    [
        ("Certification 09/28/2026 to 12/26/2026. 2x/wk.", date(2026, 9, 28), date(2026, 12, 26)),
        ("PLAN OF CARE  start 10/14/26   certification thru 01/11/27", None, date(2027, 1, 11)),
        ("POC cert 9/24/26-12/22/26. PT 2x/wk.", date(2026, 9, 24), date(2026, 12, 22)),
        ("Cert expires: 12/1/26", None, date(2026, 12, 1)),
    ],
)
def test_the_period_a_plan_is_certified_for_is_read(text: str, began: date | None, ended: date) -> None:
    periods = [(fact.began, fact.ended) for fact in facts_of("certification_period", text)]
    assert (began, ended) in periods or (began is None and ended in [last for _, last in periods])


@pytest.mark.parametrize("text", ["PT 9/24/26-12/22/26, 12 visits.", "Pain since 9/24/26. She is certified in yoga."])
def test_a_period_of_treatment_is_no_certification(text: str) -> None:
    assert not [fact for fact in facts_of("certification_period", text) if fact.ended]


def test_a_value_belongs_to_the_part_of_the_body_its_sentence_names() -> None:
    found = facts_of("pain_score", "Neck pain 5/10, stable. Low back pain 7/10 today. Pain 3/10.")
    assert [(f.value, f.region) for f in found] == [(5, "neck"), (7, "lumbar"), (3, None)]


def test_an_answer_in_one_column_of_a_form_is_of_its_own_label() -> None:
    text = "Blood thinner: No    Contrast allergy: No    Pregnant: No    Diabetes: Yes"
    assert [fact.assertion.negated for fact in facts_of("anticoagulant", text)] == [True]
    assert [fact.assertion.negated for fact in facts_of("contrast_allergy", text)] == [True]
    assert [fact.assertion.negated for fact in facts_of("diabetes_mellitus", text)] == [False]


def test_a_fact_comes_back_from_another_process_as_it_was() -> None:
    found = facts_in("Denies fever. Failed 8 weeks of PT since 6/1/2026 for left knee pain. BMI 31.")
    assert any(fact.assertion.cues for fact in found)
    assert any(fact.began and fact.course and fact.qualifiers for fact in found)
    assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301  # what this test has pickled


@pytest.mark.parametrize("day", ["3 June 2026", "2026-06-03", "June 3, 2026", "6/3/2026"])
def test_a_number_of_a_date_is_no_value(day: str) -> None:
    found = facts_in(f"Urine cotinine {day} negative.")
    assert "cotinine" not in {one.concept for one in found}
    assert [one.value for one in facts_in(f"Cotinine 3 ng/mL on {day}.") if one.concept == "cotinine"] == [3.0]
