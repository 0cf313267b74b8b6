"""Texts as words, and what was changed between two of them. Pure; EDITS_MAX and COMPARED_MAX bound its cost.

A token is a word of a script that writes spaces between words, a run of spaces, a line end, or one character as a
reader sees it: a letter with its marks, an emoji with its modifiers. So no change can split a Thai syllable sign from
its consonant, or a family into its members.
"""

import itertools
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

EDITS_MAX = 200  # tokens removed and added; what differs by more counts as one replaced piece
COMPARED_MAX = 300_000  # pairs of tokens, likewise: about 0.1 s

# scripts that are written without spaces between words: each character is a token of its own
_UNSPACED = (
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x2E80, 0xA4CF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)
_JOINER = "\u200d"
_FOLLOWING = "\u0e33\u0eb3"  # Thai and Lao AM: letters that are drawn onto the one before


@dataclass(frozen=True, slots=True)
class Edit:
    """The tokens `start` to `end` (exclusive) of the old text became `added`."""

    start: int
    end: int
    added: tuple[str, ...]


def tokens(text: str) -> list[str]:
    """The text in pieces that are changed as a whole; joined they are the text."""
    found: list[str] = []
    last = ""  # the kind of the last token
    for character in text:
        kind = _kind(character)
        if found and _belongs(found[-1], last, character, kind):
            found[-1] += character
        else:
            found.append(character)
            last = kind
    return found


def lines(text: str) -> list[str]:
    """The text in lines, each with its end."""
    return text.splitlines(keepends=True)


def edits(old: list[str], new: list[str]) -> list[Edit]:
    """What made `new` of `old`, in order, with at least one unchanged token between two edits."""
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    inner_old, inner_new = old[start : len(old) - end], new[start : len(new) - end]
    if not inner_old and not inner_new:
        return []
    found, i, j = list[Edit](), 0, 0
    for matched_old, matched_new in [*_matches(inner_old, inner_new), (len(inner_old), len(inner_new))]:
        if i < matched_old or j < matched_new:
            found.append(Edit(start + i, start + matched_old, tuple(inner_new[j:matched_new])))
        i, j = matched_old + 1, matched_new + 1
    return found


def diff(old: str, new: str) -> list[tuple[int, str, str]]:
    """What was changed: at which character of the old text, what was removed, what was added."""
    before = tokens(old)
    starts = [0, *itertools.accumulate(map(len, before))]
    return [
        (starts[edit.start], "".join(before[edit.start : edit.end]), "".join(edit.added))
        for edit in edits(before, tokens(new))
    ]


def _matches(old: list[str], new: list[str]) -> list[tuple[int, int]]:
    """Pairs of positions that stayed, of a shortest script (Myers 1986); none when it takes more than is allowed."""
    furthest, trace, left = {1: 0}, list[dict[int, int]](), COMPARED_MAX
    for distance in range(min(len(old) + len(new), EDITS_MAX) + 1):
        trace.append(furthest.copy())
        for k in range(-distance, distance + 1, 2):
            down = k == -distance or (k != distance and furthest[k - 1] < furthest[k + 1])
            x = begun = furthest[k + 1] if down else furthest[k - 1] + 1
            while x < len(old) and x - k < len(new) and old[x] == new[x - k]:
                x += 1
            furthest[k] = x
            left -= x - begun + 1
            if left < 0:
                return []
            if x >= len(old) and x - k >= len(new):
                return _walk_back(trace, len(old), len(new))
    return []


def _walk_back(trace: list[dict[int, int]], x: int, y: int) -> list[tuple[int, int]]:
    pairs = list[tuple[int, int]]()
    for distance, furthest in reversed(list(enumerate(trace))):
        k = x - y
        down = k == -distance or (k != distance and furthest[k - 1] < furthest[k + 1])
        before = k + 1 if down else k - 1
        x_before = furthest[before] if distance else 0
        y_before = x_before - before if distance else 0
        while x > x_before and y > y_before:
            x, y = x - 1, y - 1
            pairs.append((x, y))
        x, y = x_before, y_before
    return pairs[::-1]


@lru_cache(maxsize=4096)
def _kind(character: str) -> str:
    """`mark` (never begins a token after another one), `flag`, `line`, `space`, `word`, or `sign`."""
    point, category = ord(character), unicodedata.category(character)
    if category in ("Mn", "Mc", "Me") or character in _FOLLOWING or character == _JOINER:
        return "mark"
    if 0x1F3FB <= point <= 0x1F3FF or 0xE0020 <= point <= 0xE007F:  # skin tones; the tags of flags of regions
        return "mark"
    if 0x1F1E6 <= point <= 0x1F1FF:
        return "flag"
    if character in "\r\n":
        return "line"
    if character.isspace():
        return "space"
    spaced = not any(first <= point <= last for first, last in _UNSPACED)
    return "word" if category[0] in "LN" and spaced else "sign"


def _belongs(before: str, kind_before: str, character: str, kind: str) -> bool:
    if kind == "mark" or before[-1] == _JOINER:
        return True
    if kind == "flag":
        return kind_before == "flag" and len(before) == 1
    if kind == "line":
        return before + character == "\r\n"
    return kind in ("word", "space") and kind == kind_before
