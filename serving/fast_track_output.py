"""The fast lane's switches as lines of text, for the command line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from features.policy import load_policies
from serving.errors import UnknownFamilyError
from serving.fast_track_switches import fast_track_switches
from serving.store import Store


def known_families(asked: Sequence[str], *, every: bool) -> tuple[str, ...]:
    """The families asked for, or every one. Raises UnknownFamilyError for one that no policy belongs to."""
    known = sorted({policy.family for policy in load_policies().policies})
    if every:
        return tuple(known)
    for family in asked:
        if family not in known:
            raise UnknownFamilyError(
                f"--family {family}: there is no such service family; there are {', '.join(known)}"
            )
    if not asked:
        raise UnknownFamilyError(f"say which --family, or --all; there are {', '.join(known)}")
    return tuple(dict.fromkeys(asked))


def switch_lines(store: Store) -> Iterator[str]:
    """Family, on or off, since when, by whom and why, tab-separated: a line for every family."""
    turned = {switch.family: switch for switch in fast_track_switches(store)}
    for family in sorted({policy.family for policy in load_policies().policies} | turned.keys()):
        switch = turned.get(family)
        if switch is None:
            yield f"{family}\ton"
        else:
            state = "off" if switch.off else "on"
            yield f"{family}\t{state}\t{switch.switched_at:%Y-%m-%d %H:%M}Z\t{switch.switched_by}\t{switch.why}"
