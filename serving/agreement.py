"""How far two reviewers of the same cases agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from models.intervals import wilson_interval


@dataclass(frozen=True, slots=True)
class Agreement:
    """``same`` of ``cases`` got the same answer twice; ``interval`` is Wilson's 95 % of that share.

    ``kappa`` is Cohen's (1960): agreement beyond what the two would reach by chance, 1 at most. None where there is no
    case, or where both gave one and the same answer throughout, so that chance alone would agree always.
    """

    cases: int
    same: int
    interval: tuple[float, float]
    kappa: float | None

    @property
    def share(self) -> float | None:
        """The share with the same answer, None without cases."""
        return self.same / self.cases if self.cases else None


def agreement_of(pairs: Mapping[tuple[str, str], int]) -> Agreement:
    """The agreement of pairs (first answer, second answer), each with how many cases got it."""
    cases = sum(pairs.values())
    same = sum(count for (first, second), count in pairs.items() if first == second)
    answers = {answer for pair in pairs for answer in pair}
    by_chance = sum(
        sum(count for (first, _), count in pairs.items() if first == answer)
        * sum(count for (_, second), count in pairs.items() if second == answer)
        for answer in answers
    )
    # In whole numbers until the end: kappa = (po - pe) / (1 - pe), po = same / n, pe = by_chance / n².
    rest = cases * cases - by_chance
    kappa = (same * cases - by_chance) / rest if rest else None
    return Agreement(cases, same, wilson_interval(same, cases), kappa)
