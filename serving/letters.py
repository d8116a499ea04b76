"""The letters a case needs, as plain text for a person to read and change before they are kept.

They name the request by its own number and the service by its code: no name, birth date, diagnosis or note text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

ASK_MARGIN = timedelta(hours=24)
"""What was asked for is to come so long before the decision is due, so that somebody can read it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a letter says about the request."""

    external_id: str
    service: str
    line_of_business: str | None


@dataclass(frozen=True, slots=True)
class AppealRights:
    """What a member may do against a determination: within how many days of the notice, and where that is written."""

    days: int
    words: str
    source: str


APPEAL_RIGHTS: Mapping[str, AppealRights] = {
    "medicare_advantage": AppealRights(
        65,
        "You, your representative or your doctor may ask us for a reconsideration within 65 days of the date of this "
        "letter. If waiting could harm your health, ask for a fast reconsideration: we answer within 72 hours.",
        "42 CFR 422.568(e), 422.582(b), 422.584, 422.590",
    ),
    "medicaid": AppealRights(
        60,
        "You, your representative or your doctor may appeal to us within 60 days of the date of this letter, in writing "
        "or by telephone. If waiting could harm your health, ask for a fast appeal: we answer within 72 hours. If you get "
        "this service now, you may ask to keep getting it while we decide. After our answer you may ask the state for a "
        "fair hearing.",
        "42 CFR 438.402(c), 438.404(b), 438.408, 438.420",
    ),
    "commercial": AppealRights(
        180,
        "You, your representative or your doctor may appeal to us within 180 days of receiving this letter. If waiting "
        "could harm your health, ask for a fast appeal: we answer within 72 hours. After our answer you may ask for a "
        "review by an independent organization, and you may have the right to bring a civil action.",
        "29 CFR 2560.503-1(g), (h) and (i); 45 CFR 147.136",
    ),
}
"""By line of business. Another line, or none, gets :data:`OTHER_RIGHTS`."""

WHY_EXTENDED = (
    "We asked your provider for more information about this request. With it we can decide about what you need, and "
    "not only about what we have in hand."
)
WHY_NOT_EXPEDITED = (
    "From what we were sent, deciding within the standard time does not put your life, your health or your ability to "
    "regain full function at risk."
)
"""What the two notices of time say unless somebody writes it better."""

OTHER_RIGHTS = AppealRights(
    60,
    "You, your representative or your doctor may appeal to us within 60 days of the date of this letter; your plan's "
    "papers may give you longer. If waiting could harm your health, ask for a fast appeal: we answer within 72 hours.",
    "the shortest time of the rules above",
)

FREE_COPIES = (
    "You may have, free of charge, copies of everything we used: the documents, the policy and its criteria. Somebody who "
    "took no part in this determination will look at the appeal. You may send us more documents with it."
)


def appeal_rights(line_of_business: str | None) -> AppealRights:
    """The rights for a line of business, as the intake system names it."""
    return APPEAL_RIGHTS.get(line_of_business or "", OTHER_RIGHTS)


def information_request(asked: Asked, questions: Sequence[str], answer_by: date) -> str:
    """The letter that asks the provider for what is missing. ``questions`` are the policy's own."""
    asks = questions or ("",)
    lines = "\n".join(f"{number}. {question}" for number, question in enumerate(asks, start=1))
    return (
        f"About the request {asked.external_id}: {asked.service}\n\n"
        "We are reviewing this request and need a little more before we can decide. Please send us:\n\n"
        f"{lines}\n\n"
        f"Please send this by {spoken_date(answer_by)}. If you have sent it already, tell us when and how.\n\n"
        "A copy of the notes that show it is enough; there is no form to fill in. Give the number of the request with "
        "your answer.\n"
    )


def answer_by(due_at: datetime, now: datetime) -> date:
    """The day by which an answer should be there: a day before the decision is due, never before today (UTC)."""
    return max((due_at - ASK_MARGIN).date(), now.date())


def adverse_notice(asked: Asked, reasons: str, criteria: Sequence[str], guideline: str, decided_on: date) -> str:
    """The notice of an adverse determination: what was decided, why in the director's own words, and the rights."""
    rights = appeal_rights(asked.line_of_business)
    rests = [*(f"- {statement}" for statement in criteria), *([f"- {guideline}"] if guideline else [])]
    return (
        f"{spoken_date(decided_on)}\n\n"
        f"About the request {asked.external_id}: {asked.service}\n\n"
        "A medical director reviewed this request and did not approve it as it was sent.\n\n"
        f"Why:\n{reasons}\n\n"
        "What this rests on:\n" + "\n".join(rests) + "\n\n"
        f"Your right to appeal:\n{rights.words}\n{FREE_COPIES}\n\n"
        f"({rights.source})\n"
    )


def extension_notice(asked: Asked, why: str, decide_by: date, written_on: date) -> str:
    """The notice to the member that more time is taken: why, until when at most, and the right to object.

    42 CFR 422.568(b)(2), 422.572(b)(2) and 438.404(c)(4): in writing, with the reasons and the right to a grievance.
    """
    return (
        f"{spoken_date(written_on)}\n\n"
        f"About the request {asked.external_id}: {asked.service}\n\n"
        "We need more time to decide about this request.\n\n"
        f"Why:\n{why}\n\n"
        f"We will decide as soon as your health requires, and no later than {spoken_date(decide_by)}.\n\n"
        "If you do not agree that we need more time, you may file a grievance with us, in writing or by telephone; we "
        "answer an urgent one within 24 hours.\n\n"
        "(42 CFR 422.568(b), 422.572(b), 438.404(c)(4))\n"
    )


def not_expedited_notice(asked: Asked, why: str, decide_by: date, written_on: date) -> str:
    """The notice to the member that the request is decided within the standard time: why, until when, and what they may do.

    42 CFR 422.570(d)(2): told by telephone at once, and within 3 calendar days in writing, with the right to a grievance
    and to ask again with a physician's support.
    """
    return (
        f"{spoken_date(written_on)}\n\n"
        f"About the request {asked.external_id}: {asked.service}\n\n"
        "You asked us to decide faster. We will decide within the standard time.\n\n"
        f"Why:\n{why}\n\n"
        f"We will decide no later than {spoken_date(decide_by)}.\n\n"
        "If your doctor tells us that waiting could seriously harm your life, your health or your ability to regain "
        "full function, we will decide faster. If you do not agree with this, you may file a fast grievance with us; we "
        "answer within 24 hours.\n\n"
        "(42 CFR 422.570(d)(2))\n"
    )


def referral_summary(criteria: Sequence[Mapping[str, object]]) -> str:
    """What a nurse tells the medical director: what is not shown, with how much was found. No judgement in it."""
    words = {
        "not_met": "the documents speak against it",
        "not_documented": "nothing found",
        "conflicting": "documents differ",
    }
    parents = {criterion["parent"] for criterion in criteria}
    open_ones = [
        criterion for criterion in criteria if criterion["criterion_id"] not in parents and criterion["status"] in words
    ]
    lines = [
        f"- {criterion['statement']}: {words[str(criterion['status'])]} ({_places(criterion['evidence'])})"
        for criterion in open_ones
    ]
    head = "Criteria to look at:\n" if lines else "Every criterion is documented as met.\n"
    return head + "\n".join(lines) + ("\n" if lines else "") + "\nQuestion for the medical director:\n"


def spoken_date(day: date) -> str:
    """The day as letters write it: November 27, 2026."""
    return f"{day:%B} {day.day}, {day.year}"


def _places(evidence: object) -> str:
    count = len(evidence) if isinstance(evidence, (list, tuple)) else 0
    return f"{count} place{'' if count == 1 else 's'} in the documents"
