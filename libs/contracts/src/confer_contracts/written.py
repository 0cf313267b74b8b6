"""What operators write down, in TOML: policies, rules, webhooks. A mistake is told with its place, as people count."""

import tomllib
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

M = TypeVar("M", bound="Written")


class Written(BaseModel):
    """A member that is not known is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def parse_toml(model: type[M], raw: bytes) -> M:
    """ValueError that names each place, and what is wrong there, in one line."""
    try:
        written = tomllib.loads(raw.decode())
    except ValueError as error:  # also of UTF-8
        raise ValueError(f"it is not TOML: {error}") from None
    try:
        return model.model_validate(written)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False, include_context=False)
        raise ValueError("; ".join(_complaint(each["loc"], each["msg"]) for each in wrong)) from None


def _complaint(location: tuple[int | str, ...], message: str) -> str:
    """Of the first of `[[rules]]`: `rule 1, title: ...`. What is said of a rule as a whole names its members itself."""
    text = message.removeprefix("Value error, ")
    match location:
        case (str(tables), int(index), *rest):
            place = [
                f"{tables.removesuffix('s')} {index + 1}",
                *(str(p + 1 if isinstance(p, int) else p) for p in rest),
            ]
            return f"{', '.join(place)}{': ' if rest else ', '}{text}"
    return f"{'.'.join(map(str, location)) or 'the file'}: {text}"
