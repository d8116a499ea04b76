"""The score of a case, on a page of its own: it is shown only to who asks for it, and every opening can be recorded.

No case of the blind audit may be told from another before it is decided. So a case whose reasons are only about the
model's caution or the audit gets the same words instead of a score, whichever of them it was.
"""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from models.result import result_from_trace_text
from models.types import Contribution, TriageResult
from serving.deps import Cases, Reader, Service
from serving.pages import known_case
from serving.rendering import render_page
from serving.sights import score_opened
from serving.views import NEUTRAL_SENTENCE, told_reasons

WITHHELD = "The score of this case is not shown before it is decided."
NO_SCORE = "No score was computed for this case."

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@dataclass(frozen=True, slots=True)
class ScoreView:
    """The number with its parts; ``withheld`` says instead why there is none."""

    authorization_id: str
    external_id: str
    withheld: str = ""
    score: str = ""
    threshold: str = ""
    model: str = ""
    contributions: tuple[Contribution, ...] = ()


@router.get("/cases/{authorization_id}/score")
def score(authorization_id: str, service: Service, store: Cases, who: Reader) -> HTMLResponse:
    """The score and what moved it, or the one sentence that says it is not shown."""
    case = known_case(authorization_id, service)
    view = score_view(authorization_id, result_from_trace_text(case.latest.trace))
    # First recorded, then shown: where it cannot be recorded, nothing is shown.
    score_opened(store, who, authorization_id)
    return render_page("score.html", who=who, here="/", view=view)


def score_view(authorization_id: str, result: TriageResult, *, decided: bool = False) -> ScoreView:
    """What the page shows of a result; ``decided``: a person has recorded a decision, so nothing is withheld any more."""
    if not decided and told_reasons(result.reasons) == (NEUTRAL_SENTENCE,):
        return ScoreView(authorization_id, result.external_id, withheld=WITHHELD)
    if result.approval_score is None:
        return ScoreView(authorization_id, result.external_id, withheld=NO_SCORE)
    model = result.model
    return ScoreView(
        authorization_id,
        result.external_id,
        score=f"{result.approval_score:.3f}",
        threshold=f"{result.threshold:.3f}" if result.threshold is not None else "none certified",
        model=f"{model.name} version {model.version}" if model else "",
        contributions=result.contributions,
    )
