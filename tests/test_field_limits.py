"""Upper visual fields with the lids at rest and taped: each number with its eye and state, and what taping gains."""

from __future__ import annotations

import pytest

from features.field_limits import AT_REST, FIXATION_LOSSES, GAIN, GAIN_PERCENT, find_field_values


def values(text: str, concept: str) -> dict[str | None, float]:
    return {one.eye: one.value for one in find_field_values(text.lower()) if one.concept == concept}


@pytest.mark.parametrize(
    ("text", "gains"),
    [
        ("Superior field OD untaped 18 deg, taped 44. OS untaped 20 deg, taped 45.", (26, 25)),
        ("Visual fields. Untaped: OD 18 degrees, OS 20 degrees. Taped: OD 44 degrees, OS 45 degrees.", (26, 25)),
        ("Superior field\n          at rest   taped\nRight eye  18 deg   44 deg\nLeft eye   20 deg   45 deg", (26, 25)),
        ("Goldmann: RIGHT untaped 18 deg taped 44 deg (gain 26)\nLEFT untaped 20 deg taped 45 deg (gain 25)", (26, 25)),
    ],
)
def test_taping_gains_the_difference_and_the_worse_eye_stands_for_both(text: str, gains: tuple[int, int]) -> None:
    assert values(text, GAIN) == {"right_eye": gains[0], "left_eye": gains[1], "both_eyes": min(gains)}
    assert values(text, AT_REST)["both_eyes"] == 20


def test_a_state_right_behind_a_value_is_that_values() -> None:
    text = "Goldmann field of the left eye: 15 degrees untaped, improving to 40 degrees with taping."
    assert values(text, GAIN) == {"left_eye": 25}


def test_missed_points_and_percent_are_losses() -> None:
    text = "HVF right eye untaped: 22 of 36 points missed. Taped: 3 of 36 points missed."
    assert values(text, GAIN_PERCENT) == {"right_eye": pytest.approx(52.8)}


def test_one_eye_without_a_taped_test_gains_nothing_for_both() -> None:
    text = "Visual field untaped OD 20 deg, OS 22 deg. Taped OD 45 deg, OS not done."
    assert values(text, GAIN) == {"right_eye": 25}


def test_numbers_without_a_state_of_the_lids_are_not_read() -> None:
    assert values("Superior field OD 18 deg, OS 20 deg.", AT_REST) == {}
    assert find_field_values("od taped 20 deg") != []
    assert find_field_values("right arm 20 deg") == []


def test_fixation_losses_are_a_share_of_the_checks() -> None:
    assert values("Humphrey, FL 9/12", FIXATION_LOSSES) == {None: 75}
    assert values("Visual field. Fixation losses of 39 percent.", FIXATION_LOSSES) == {None: 39}
    assert values("Visual field. Fixation losses 57%.", FIXATION_LOSSES) == {None: 57}
    assert values("Visual field. Fixation losses few.", FIXATION_LOSSES) == {}
