"""Generated requests as a writer wants to see them: the story in a few lines, then the documents."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from training.config import Split
from training.synthetic.generator import Telling, build_case, draw_person, service_shares, tell
from training.synthetic.service import ABSENT, ServiceError, load_services
from training.synthetic.story import holds

_TRIES = 3000


def show(service: str, n: int, conditions: tuple[str, ...], seed: int, split: Split) -> Iterator[str]:
    """``n`` requests of ``service`` in which all of ``conditions`` hold, line by line.

    Raises ServiceError for an unknown service, and where too few stories fulfil the conditions.
    """
    service_shares((service,))
    shown = 0
    for index in range(_TRIES):
        random = Random(f"{seed}/show/{index}")  # noqa: S311  # reproducible cases, nothing secret
        telling = tell(random, service, draw_person(random, load_services()[service]), split)
        if not all(holds(each, telling.story.states, telling.story.exclusion) for each in conditions):
            continue
        yield from _lines(telling, random, index, seed, split)
        shown += 1
        if shown == n:
            return
    raise ServiceError(f"{service}: {shown} of {_TRIES} stories have {', '.join(conditions)}")


def _lines(telling: Telling, random: Random, index: int, seed: int, split: Split) -> Iterator[str]:
    story = telling.story
    case = build_case(random, index, seed, index, telling, "none", split)
    states = ", ".join(f"{name}={state}" for name, state in story.states.items() if state != ABSENT)
    yield f"######## {story.scenario}   meets policy: {telling.judgement.met}   label {case.label}"
    yield f"states: {states}" + (f"   exclusion: {story.exclusion}" if story.exclusion else "")
    yield f"request: {case.request['service']}  {[each['code'] for each in case.request['diagnoses']]}"
    for document in case.request["documents"]:
        yield f"---- {document['type']} {document['date']}"
        yield document["text"]
    yield ""
