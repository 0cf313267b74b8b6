"""The policy: ordered rules about who may do what where, as an installation writes them down (ADR 0011). Pure."""

import glob
import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from confer_contracts.access import ACTIONS
from confer_contracts.subjects import Kind
from confer_contracts.written import Written, parse_toml

RULES_MAX: Final = 1000
PATTERNS_MAX: Final = 200
PATTERN_CHARS_MAX: Final = 300
_OWN: Final = re.compile(r"\{(user|role)\}")


def _of_an_action(pattern: str) -> str:
    if not any(fnmatchcase(action, pattern) for action in ACTIONS):
        raise ValueError(f"{pattern!r} matches no action; there are {', '.join(ACTIONS)}")
    return pattern


def _of_an_audience(pattern: str) -> str:
    kind = pattern.partition(".")[0]
    if not any(fnmatchcase(known, kind) for known in Kind):
        raise ValueError(f"{pattern!r} must begin with a kind and a dot; there are {', '.join(Kind)}")
    return pattern


Pattern = Annotated[str, Field(strict=True, min_length=1, max_length=PATTERN_CHARS_MAX)]
Patterns = Annotated[tuple[Pattern, ...], Field(min_length=1, max_length=PATTERNS_MAX)]
ActionPattern = Annotated[Pattern, AfterValidator(_of_an_action)]
AudiencePattern = Annotated[Pattern, AfterValidator(_of_an_audience)]
Effect = Literal["allow", "deny"]


class Rule(Written):
    """It matches where each of its lists has a pattern (as of `fnmatch`) that does; a list left out matches all.

    audiences   patterns of `confer_contracts.portal.shown_name`; `{user}` and `{role}` in them stand for who asks
    about       for people who read it
    """

    roles: Patterns = ("*",)
    users: Patterns = ("*",)
    actions: Annotated[tuple[ActionPattern, ...], Field(min_length=1, max_length=PATTERNS_MAX)] = ("*",)
    audiences: Annotated[tuple[AudiencePattern, ...], Field(min_length=1, max_length=PATTERNS_MAX)] = ("*",)
    effect: Effect
    about: str = ""

    def matches(self, user: str, role: str, action: str, audience: str) -> bool:
        return (
            _any(self.actions, action)
            and _any(self.roles, role)
            and _any(self.users, user)
            and _any((_filled(pattern, user, role) for pattern in self.audiences), audience)
        )


class Policy(Written):
    """The first rule that matches decides; `default` where none does."""

    default: Effect
    rules: Annotated[tuple[Rule, ...], Field(max_length=RULES_MAX)] = ()

    def decide(self, *, user: str, role: str, action: str, audience: str) -> "Decision":
        """`action` as in `confer_contracts.access.ACTIONS`; `audience` is its shown name."""
        for number, rule in enumerate(self.rules, start=1):
            if rule.matches(user, role, action, audience):
                return Decision(rule.effect == "allow", number)
        return Decision(self.default == "allow", None)


@dataclass(frozen=True, slots=True)
class Decision:
    """`rule`: the number of the rule that decided, from 1; None: the default did."""

    allowed: bool
    rule: int | None


def parse(raw: bytes) -> Policy:
    """The policy in a TOML file. ValueError that names rule, field and what is wrong with it."""
    return parse_toml(Policy, raw)


def _any(patterns: Iterable[str], value: str) -> bool:
    return any(pattern == "*" or fnmatchcase(value, pattern) for pattern in patterns)


def _filled(pattern: str, user: str, role: str) -> str:
    """With who asks in place of `{user}` and `{role}`, letter by letter: an id is no pattern."""
    if "{" not in pattern:
        return pattern
    return _OWN.sub(lambda found: glob.escape(user if found[1] == "user" else role), pattern)
