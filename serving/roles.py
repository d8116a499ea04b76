"""Who may do what in the workbench. A nurse cannot record an adverse determination: no role but the director's can."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What a person signs in as."""

    NURSE = "nurse"
    LEAD = "lead"
    MEDICAL_DIRECTOR = "medical_director"
    DATA_SCIENTIST = "data_scientist"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"


class Permission(StrEnum):
    """One thing a role may do."""

    READ_CASES = "read_cases"
    WORK_ON_CASES = "work_on_cases"
    """Claim, correct facts, write notes, ask for information, approve, refer."""
    DETERMINE_ADVERSELY = "determine_adversely"
    ASSIGN = "assign"
    READ_REPORTS = "read_reports"
    READ_AGGREGATES = "read_aggregates"
    """Numbers and corrections without anybody's name."""
    READ_TRAIL = "read_trail"
    KEEP_PEOPLE = "keep_people"
    KEEP_QUEUE = "keep_queue"
    """See what waits to be read and what was given up, and have it tried again."""


PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.NURSE: frozenset({Permission.READ_CASES, Permission.WORK_ON_CASES}),
    Role.LEAD: frozenset(
        {
            Permission.READ_CASES,
            Permission.WORK_ON_CASES,
            Permission.ASSIGN,
            Permission.READ_REPORTS,
            Permission.KEEP_QUEUE,
        }
    ),
    Role.MEDICAL_DIRECTOR: frozenset(
        {
            Permission.READ_CASES,
            Permission.WORK_ON_CASES,
            Permission.DETERMINE_ADVERSELY,
            Permission.READ_REPORTS,
        }
    ),
    Role.DATA_SCIENTIST: frozenset({Permission.READ_AGGREGATES}),
    Role.AUDITOR: frozenset({Permission.READ_CASES, Permission.READ_REPORTS, Permission.READ_TRAIL}),
    Role.ADMINISTRATOR: frozenset({Permission.KEEP_PEOPLE, Permission.KEEP_QUEUE}),
}


def may(role: Role, permission: Permission) -> bool:
    """Whether the role holds the permission."""
    return permission in PERMISSIONS[role]
