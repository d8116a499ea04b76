"""What judging a request's criteria costs beside reading its notes: ``python -m benchmarks.criteria``."""

from __future__ import annotations

import statistics
import time

from features.criteria import context_of, evaluate, human_review
from features.extract import extract
from features.guards import requested_side
from features.lexicon import load_lexicon
from features.policy import load_policies
from features.reading import judge
from models.policy_cases import load_cases

ROUNDS = 3
MOST = 0.1


def main() -> int:
    """Print both medians and their ratio. Exit code 1 where judging costs more than a tenth of reading."""
    policies = load_policies()
    requests = [case.request for policy in policies.policies for case in load_cases(policy.policy_id)]
    reading: list[float] = []
    judging: list[float] = []
    whole: list[float] = []
    for _ in range(ROUNDS):
        for request in requests:
            begin = time.process_time()
            facts = tuple(extract(request.documents))
            between = time.process_time()
            policy = policies.covering(request)
            if policy is not None:
                context = context_of(request, requested_side(request), load_lexicon())
                evaluate(policy, facts, context)
                human_review(policy, facts, context)
            then = time.process_time()
            judge(request, facts, policies)
            reading.append(between - begin)
            judging.append(then - between)
            whole.append(time.process_time() - then)
    ratio = sum(judging) / sum(reading)
    milliseconds = [statistics.median(times) * 1e3 for times in (reading, judging, whole)]
    print(
        f"{len(requests)} requests: reading {milliseconds[0]:.2f} ms, criteria {milliseconds[1]:.2f} ms, ratio {ratio:.3f}"
    )
    print(f"criteria with guards and features: {milliseconds[2]:.2f} ms")
    return int(ratio > MOST)


if __name__ == "__main__":
    raise SystemExit(main())
