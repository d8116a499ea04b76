"""A person of each role, to try the workbench on one's own machine. There are no passwords that everybody knows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from serving.people_store import PeopleStore, generated_password
from serving.rendering import ROLE_WORDS


def demo_people_lines(people: PeopleStore) -> Iterator[str]:
    """Add who is not there yet; a table of names and passwords, shown this once, then how to get a new one."""
    added = []
    for role, words in ROLE_WORDS.items():
        name = role.value.replace("_", "-")
        if people.named(name) is None:
            password = generated_password()
            people.add(name, f"Demo {words.lower()}", role, password=password, now=datetime.now(UTC))
            added.append((name, password, words))
    if added:
        yield "People to sign in as (shown this once):"
        yield ""
        yield f"  {'name':<18}{'password':<22}role"
        yield from (f"  {name:<18}{password:<22}{words}" for name, password, words in added)
        yield ""
    else:
        yield "The people to sign in as are there already; for a new password: greenlane people change nurse --new-password"
