"""The rules of a form: per field, what a value may be, and what becomes of an update whose base is stale.

`merge`       texts are merged, by words or by lines; where that is impossible, or it is no text, it is refused
`last_write`  accepted; what it replaced stays in the history, and both people are told
`refuse`      refused with the current value

Text that several people type at once, letter by letter, will be one more policy, with a type of its own.
"""

from typing import Any, Literal, Protocol, TypeAlias

Policy: TypeAlias = Literal["merge", "last_write", "refuse"]
MergeBy: TypeAlias = Literal["words", "lines"]


class Form(Protocol):
    """The rules of a kind of room, as the domain asks for them. Pure."""

    def policy(self, field: str) -> Policy: ...

    def merge_by(self, field: str) -> MergeBy:
        """The smallest piece of the field's text that one person changes."""
        ...

    @property
    def steps(self) -> tuple[tuple[int, str], ...]:
        """The workflow in its order: number and name of each step; none: by number, as they come."""
        ...

    def problem(self, field: str, value: Any) -> str | None:
        """Which rule the value, or the field itself, breaks; None: it is as it should be."""
        ...


class _Free:
    """Any field, any value; the last writer wins."""

    steps: tuple[tuple[int, str], ...] = ()

    def policy(self, field: str) -> Policy:
        return "last_write"

    def merge_by(self, field: str) -> MergeBy:
        return "words"

    def problem(self, field: str, value: Any) -> str | None:
        return None


FREE: Form = _Free()
