"""Two people's changes of one text: both survive, or nobody's is touched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_svc.domain import words
from sync_svc.domain.merge import MERGE_BYTES_MAX, merge, too_long
from sync_svc.domain.words import edits, tokens

THAI, FAMILY, FLAG, THUMB = "น้ำ", "👨‍👩‍👧", "🇹🇭", "👍🏽"
pieces = st.sampled_from(
    ["a", "b", "left ", "eye", " ", "\n", "\r\n", "6/9", ". ", "ตา", THAI, FAMILY, FLAG, THUMB, "é", "é"]
)
texts = st.lists(pieces, max_size=12).map("".join) | st.text(max_size=20)


@pytest.mark.parametrize(
    ("base", "mine", "theirs", "merged"),
    [
        ("left eye red", "left eye very red", "the left eye red", "the left eye very red"),
        ("a b c", "a c", "a b c d", "a c d"),
        ("a b c", "x b c", "a b y", "x b y"),
        ("one\ntwo\nthree\n", "one\n2\nthree\n", "one\ntwo\nthree\nfour\n", "one\n2\nthree\nfour\n"),
        ("ตาซ้าย แดง", "ตาซ้าย แดงมาก", "ดวงตาซ้าย แดง", "ดวงตาซ้าย แดงมาก"),
        (f"{FAMILY} ok", f"{FAMILY} ok {THUMB}", f"{FLAG}{FAMILY} ok", f"{FLAG}{FAMILY} ok {THUMB}"),
        ("a", "a b", "a b", "a b"),
        ("x a y", "x b y", "x b y z", "x b y z"),
    ],
)
def test_changes_of_different_places_both_survive(base: str, mine: str, theirs: str, merged: str) -> None:
    assert merge(base, mine, theirs) == merge(base, theirs, mine) == merged


@pytest.mark.parametrize(
    ("base", "mine", "theirs"),
    [
        ("vision 6/9", "vision 6/6", "vision 6/12"),
        ("a b c d", "a d", "a b x d"),
        ("notes", "notes. Red", "notes. Calm"),
        ("", "one", "two"),
        ("no pain", "pain", "not pain"),
        ("vision 6/9", "vision 6/6", "vision 6/9 left"),
        ("one", "", "one two"),
        (f"{THAI}", "นำ", "น้"),
        ("👍", "👍🏽", "👍🏿"),
    ],
)
def test_changes_of_the_same_place_are_nobodys_to_merge(base: str, mine: str, theirs: str) -> None:
    assert merge(base, mine, theirs) is None
    assert merge(base, theirs, mine) is None


@given(texts, texts)
def test_what_only_one_of_them_changed_is_as_they_left_it(base: str, text: str) -> None:
    assert merge(base, text, text) == text
    assert merge(base, base, text) == text
    assert merge(base, text, base) == text


@given(texts, texts, texts)
def test_it_does_not_matter_whose_change_came_first(base: str, one: str, other: str) -> None:
    assert merge(base, one, other) == merge(base, other, one)


@given(st.integers(2, 30), st.sets(st.integers(0, 29)), st.sets(st.integers(0, 29)))
def test_words_that_different_people_replaced_are_both_replaced(count: int, ann: set[int], bob: set[int]) -> None:
    def text(changed: dict[int, str]) -> str:
        return " ".join(changed.get(n, f"word{n}") for n in range(count))

    hers, his = {n: f"ann{n}" for n in ann - bob}, {n: f"bob{n}" for n in bob - ann}
    assert merge(text({}), text(hers), text(his)) == text(hers | his)


@given(texts)
def test_tokens_are_the_text_and_none_begins_with_what_belongs_to_the_one_before(text: str) -> None:
    found = tokens(text)
    assert "".join(found) == text
    assert all(found)


@pytest.mark.parametrize("whole", [FAMILY, FLAG, THUMB, "é", "น้ำ", "กี่", "\r\n", "1️⃣", "Straße", "привет"])
def test_what_a_reader_sees_as_one_is_one(whole: str) -> None:
    assert tokens(f" {whole} ")[1:-1] == [whole]


@given(texts, texts)
def test_edits_lead_from_the_old_text_to_the_new_one(old: str, new: str) -> None:
    before, after = tokens(old), list[str]()
    position = 0
    for edit in edits(before, tokens(new)):
        assert edit.start > position or (edit.start == position == 0)
        after += [*before[position : edit.start], *edit.added]
        position = edit.end
    assert "".join(after + before[position:]) == new


@pytest.mark.parametrize("limit", ["EDITS_MAX", "COMPARED_MAX"])
def test_what_differs_too_much_counts_as_one_piece_so_that_the_work_is_bounded(
    monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(words, limit, 4)
    (edit,) = edits(tokens("keep a b c d e keep"), tokens("keep v w x y z keep"))
    assert (edit.start, edit.end) == (2, 11)
    assert merge("a b c d e tail", "v w x y z tail", "a b c d e tail end") == "v w x y z tail end"


def test_the_largest_texts_are_merged_and_larger_ones_are_told() -> None:
    text = "ก" * (MERGE_BYTES_MAX // 3)
    assert not too_long(text)
    assert too_long(text + "กก")
    assert merge(text, "a " + text, text + " b") == f"a {text} b"
    rising, falling = (" ".join(map(str, numbers)) for numbers in (range(3000), range(3000, 0, -1)))
    assert merge(f"{rising} end", f"{falling} end", f"{rising} end!") == f"{falling} end!"
