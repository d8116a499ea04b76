"""Who signed a document."""

from __future__ import annotations

import pytest
from building import document

from features.authors import authors_of


@pytest.mark.parametrize(
    ("text", "roles"),
    [
        ("Knee is stable.\nElectronically signed by Jane Roe, M.D. 11/2/2026", {"physician"}),
        ("Knee is stable.\nJane Roe, MD", {"physician"}),
        ("Plan: rest. Signed: L. Ortiz NP", {"advanced_practitioner"}),
        ("Knee is stable.\n-- R. Ames, PT, DPT", {"therapist"}),
        ("Dictated by: J. Smith, PA-C\nT: 11/2/26", {"advanced_practitioner"}),
        ("Weights reviewed.\nJANE ROE, RD, LDN", {"dietitian"}),
        ("Sincerely,\nA. Vale, PsyD", {"mental_health"}),
        ("Wound measured.\nM. Lund RN, CWOCN", {"nurse"}),
        ("Exam done.\nSigned by K. Oyelaran, OD", {"eye_care"}),
        ("Attending: M. Roe, D.O.", {"physician"}),
        ("Evaluated by physical therapist; goals below.", {"therapist"}),
    ],
)
def test_a_signature_line_says_who_documented_it(text: str, roles: set[str]) -> None:
    assert authors_of(document(text)) == roles


@pytest.mark.parametrize(
    "text",
    [
        "Seen by Dr Smith MD in June.\nShe should follow up with PT next week.",
        "VA sc\nOD 20/40 OS 20/30",
        "She was referred to the nurse practitioner before.",
        "PT INR 2.1\nPT twice weekly",
        "",
    ],
)
def test_somebody_who_is_spoken_of_did_not_sign(text: str) -> None:
    assert authors_of(document(text)) == set()


def test_an_unsigned_therapy_note_is_a_therapists() -> None:
    assert authors_of(document("Gait trained.", kind="therapy_note")) == {"therapist"}
    assert authors_of(document("Gait trained.", kind="letter")) == set()
