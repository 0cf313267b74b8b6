"""Rules that join the domains: "when this fact is stored, and that is so, tell somebody". The file, and its checks.

A file is TOML, as a policy is. Texts are templates: `{field}` stands for a member of the fact's body, `{field.inner}`
for one inside it, `{{` and `}}` for braces; nothing is ever evaluated. Beside the body's members there are `actor`, who
did it, and, for facts of a patient's room, `patient_id`. Everything that can be known beforehand is refused when the
file is read.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final, Literal, get_args, get_origin

from pydantic import AfterValidator, BaseModel, Field, TypeAdapter, ValidationError, model_validator

from confer_contracts import catalogue
from confer_contracts.message import TEXT_CHARS_MAX, Id
from confer_contracts.notify import MustAcknowledge, NotificationSend
from confer_contracts.route import Fact
from confer_contracts.subjects import Kind
from confer_contracts.templates import HOLE, Values, addressee, addressees, cut, filled, holes, kind_of
from confer_contracts.written import Written, parse_toml

RULES_MAX: Final = 200
TO_MAX: Final = 10
TITLE_CHARS: Final = 200
ACTOR, PATIENT = "actor", "patient_id"
_OURS: Final = frozenset({"notification", "notification_reminder", "notification_escalated"})
_CLOSED: Final = "notification_closed"
Scalar = str | int | float | bool

FACTS: Final[dict[str, tuple[Fact, ...]]] = {
    name: tuple(fact for fact in catalogue.FACTS if fact.event == name and fact.alias_of is None)
    for name in sorted({fact.event for fact in catalogue.FACTS if fact.alias_of is None})
}


def fields_of(event: str) -> dict[str, Any]:
    """What a rule may name of a fact with this event: member -> its type."""
    known: dict[str, Any] = {ACTOR: str}
    for fact in FACTS[event]:
        if fact.kind is Kind.ROOM:
            known[PATIENT] = str
        if isinstance(fact.body, type) and issubclass(fact.body, BaseModel):
            for name, member in fact.body.model_fields.items():
                known |= {name: member.annotation, **_inside(name, member.annotation)}
    return known


def _template(text: str) -> str:
    list(holes(text))
    return text


def _to(text: str) -> str:
    """Which kind it is must be written, so that it is known beforehand."""
    addressee(HOLE.sub("x", _template(text)))
    return text


Template = Annotated[str, Field(strict=True, max_length=TEXT_CHARS_MAX), AfterValidator(_template)]
ToTemplate = Annotated[str, Field(strict=True, max_length=300), AfterValidator(_to)]


class Demanded(Written):
    """As `must_acknowledge` of a notification; `escalate_to` as a rule's `to`."""

    repeat_s: int = Field(MustAcknowledge.model_fields["repeat_s"].default, strict=True)
    repeats: int = Field(MustAcknowledge.model_fields["repeats"].default, strict=True)
    escalate_to: list[ToTemplate] = []

    @model_validator(mode="after")
    def _as_of_a_notification(self) -> "Demanded":
        self.of({})
        return self

    def of(self, values: Values) -> MustAcknowledge:
        levels = [one for text in self.escalate_to for one in addressees(text, values or _Anything())]
        return MustAcknowledge(repeat_s=self.repeat_s, repeats=self.repeats, escalate_to=levels)


class _Anything(dict[str, Any]):
    """For a check beforehand: every field has a value."""

    def get(self, name: str, default: Any = None) -> Any:
        return "x"


class Rule(Written):
    """One rule; `confer_contracts.catalogue` knows the events and their members.

    when      the event of a fact
    where     member -> the value that it must have, or a list of those that it may have; a list must contain it
    next_in   the patient of the fact must be the next to be called in this queue
    to        whom to tell: `user:{called_by}`, `role:nurse`, `all`; a list, `user:{assigned.user_id}`, is each in it
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,59}$")]
    about: str = ""
    when: str
    where: dict[str, Scalar | list[Scalar]] = {}
    next_in: Id | None = None
    to: Annotated[list[ToTemplate], Field(min_length=1, max_length=TO_MAX)]
    title: Annotated[Template, Field(min_length=1)]
    message: Template = ""
    type: Literal["info", "success", "warning", "error"] = "info"
    priority: Literal["low", "normal", "high", "critical"] = "normal"
    link: Template | None = None
    must_acknowledge: Demanded | None = None

    @model_validator(mode="after")
    def _fits_the_catalogue(self) -> "Rule":
        if self.when not in FACTS:
            raise ValueError(f"when: there is no fact {self.when!r}; there are {', '.join(FACTS)}")
        if self.when in _OURS:
            raise ValueError(f"when: {self.when} is what rules cause: this one would trigger itself")
        if self.when == _CLOSED and self.must_acknowledge is not None:
            raise ValueError("when: an end of an acknowledgement that asks for one would trigger itself")
        known = fields_of(self.when)
        named = [("where", name) for name in self.where] + list(self._named())
        for place, name in named:
            if name not in known:
                raise ValueError(f"{place}: {self.when} has no member {name!r}; there are {', '.join(sorted(known))}")
        if self.next_in is not None and PATIENT not in known:
            raise ValueError(f"next_in: {self.when} is about no patient")
        for name, wanted in self.where.items():
            for value in wanted if isinstance(wanted, list) else [wanted]:
                _must_be_possible(name, known[name], value)
        return self

    @model_validator(mode="after")
    def _can_be_acknowledged(self) -> "Rule":
        reached = (*self.to, *self.must_acknowledge.escalate_to) if self.must_acknowledge else ()
        for text in reached:
            if kind_of(text) in ("patient", "queue"):
                raise ValueError(f"must_acknowledge: {text!r}: what is said there is in nobody's inbox")
        return self

    def matches(self, values: Values) -> bool:
        """Whether the fact is as `where` says."""
        return all(_is_one_of(values.get(name), wanted) for name, wanted in self.where.items())

    def notifications(self, values: Values) -> list[NotificationSend]:
        """What the rule sends about a fact, to each addressee once. ValueError where that is no notification."""
        told = {to.audience: to for text in self.to for to in addressees(text, values)}
        return [
            NotificationSend(
                to=to, title=cut(filled(self.title, values), TITLE_CHARS) or self.name,
                message=cut(filled(self.message, values), TEXT_CHARS_MAX), type=self.type, priority=self.priority,
                link=filled(self.link, values) if self.link else None,
                must_acknowledge=self.must_acknowledge.of(values) if self.must_acknowledge else None,
            )
            for to in told.values()
        ]  # fmt: skip

    def _named(self) -> Iterator[tuple[str, str]]:
        """The fields in templates, each with where it is written."""
        demanded = self.must_acknowledge.escalate_to if self.must_acknowledge else []
        for place, text in (
            *(("to", each) for each in self.to), *(("must_acknowledge", each) for each in demanded),
            ("title", self.title), ("message", self.message), ("link", self.link or ""),
        ):  # fmt: skip
            yield from ((place, name) for name in holes(text))


class Rules(Written):
    rules: Annotated[tuple[Rule, ...], Field(max_length=RULES_MAX)] = ()

    @model_validator(mode="after")
    def _make_sense_together(self) -> "Rules":
        names = [rule.name for rule in self.rules]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two rules have the name {', '.join(repeated)}")
        closing = [rule.name for rule in self.rules if rule.when == _CLOSED]
        demanding = [rule.name for rule in self.rules if rule.must_acknowledge]
        if closing and demanding:
            raise ValueError(f"{demanding[0]} would trigger {closing[0]}, and that may go on for ever")
        return self


def parse(raw: bytes) -> Rules:
    """The rules in a TOML file. ValueError that names rule, field and what is wrong with it."""
    return parse_toml(Rules, raw)


def _inside(name: str, annotation: Any) -> dict[str, Any]:
    """The members of a member that is an object, or a list of them."""
    listed = get_origin(annotation) is list
    model = get_args(annotation)[0] if listed else annotation
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return {}
    return {
        f"{name}.{inner}": list[member.annotation] if listed else member.annotation  # type: ignore[name-defined]
        for inner, member in model.model_fields.items()
    }


def _is_one_of(value: Any, wanted: Scalar | Sequence[Scalar]) -> bool:
    allowed = wanted if isinstance(wanted, list) else [wanted]
    return any(each in allowed for each in value) if isinstance(value, list) else value in allowed


def _must_be_possible(name: str, annotation: Any, value: Scalar) -> None:
    """ValueError for a value that the member can never have, nor contain."""
    adapter = TypeAdapter(annotation)
    for tried in (value, [value]):
        try:
            adapter.validate_python(tried, strict=True)
        except ValidationError:
            continue
        return
    raise ValueError(f"where: {name} is never {value!r}")
