"""The quick way to JSON text writes what the library's own way does, letter for letter."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confer_contracts.json_text import encoding

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=[]), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
HOW: list[dict[str, Any]] = [
    {}, {"ensure_ascii": False}, {"sort_keys": True, "separators": (",", ":")},
]  # fmt: skip


@given(VALUES, st.sampled_from(HOW))
def test_it_writes_what_the_library_writes(value: Any, how: dict[str, Any]) -> None:
    assert encoding(**how)(value) == json.JSONEncoder(**how).encode(value)
    assert encoding(**how)(("name", value)) == json.JSONEncoder(**how).encode(("name", value))


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan")])
def test_it_refuses_what_the_library_refuses(number: float) -> None:
    with pytest.raises(ValueError, match="Out of range float"):
        encoding(allow_nan=False)([number])
