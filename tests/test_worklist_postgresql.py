"""The worklist on a real PostgreSQL, with a store of its own for each person, as in several processes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from worklist_cases import NOW, add_case, row, signed_in

from serving.errors import CaseChangedError
from serving.people import SignedIn
from serving.store import Store
from serving.work import Work
from serving.worklist import claim, claim_next, search, worklist_page
from serving.worklist_counts import WorklistCounts
from serving.worklist_filter import Filter, Holder, Viewer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pgserver = pytest.importorskip("pgserver", reason="needs a PostgreSQL (pip install pgserver)")
    pytest.importorskip("psycopg", reason="needs PostgreSQL's driver (pip install 'psycopg[binary]')")
    folder: Path = tmp_path_factory.mktemp("postgresql")
    server = pgserver.get_server(folder)
    yield str(server.get_uri()).replace("postgresql://", "postgresql+psycopg://")
    server.cleanup()


def test_claims_of_several_processes_never_meet_and_filters_counts_and_search_hold(url: str) -> None:
    store = Store.open(url, migrate_always=True)
    ids = [add_case(store, f"PA_{n:02d}", due_at=NOW + timedelta(hours=n // 3)) for n in range(20)]
    wanted = add_case(store, "PA-wanted")
    nurses = [signed_in(store, f"Nurse{n}") for n in range(6)]
    stores = [Store.open(url) for _ in nurses]
    got: list[str] = []
    refused: list[str] = []
    together = threading.Barrier(len(nurses))

    def work(own: Store, who: SignedIn) -> None:
        together.wait()
        try:
            claim(own, who, wanted, 0, NOW)
        except CaseChangedError:
            refused.append(who.person.person_id)
        while (case_id := claim_next(own, who, Viewer(who.person.person_id), Filter(), NOW)) is not None:
            got.append(case_id)

    threads = [threading.Thread(target=work, args=pair) for pair in zip(stores, nurses, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(got) == ids
    assert len(refused) == len(nurses) - 1
    assert row(store, wanted).assigned_to not in refused
    viewer = Viewer(nurses[0].person.person_id, frozenset(who.person.person_id for who in nurses))
    chosen = Filter(works=tuple(Work), lines=("", "commercial"), code="72148", holders=(Holder.TEAM,))
    first = worklist_page(store, viewer, chosen, limit=15)
    later = worklist_page(store, viewer, chosen, after=first.cases[-1].position, limit=15)
    assert worklist_page(store, viewer, chosen, before=later.cases[0].position, limit=15).cases == first.cases
    assert len(first.cases) + len(later.cases) == 21
    assert WorklistCounts(store).for_page(viewer, ids[:3]).facets(chosen).total == 21
    assert len(search(store, "PA_").cases) == 20
    for some in (store, *stores):
        some.close()
