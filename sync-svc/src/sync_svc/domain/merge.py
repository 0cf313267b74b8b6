"""Three-way merge of texts, by words or lines (docs/adr/0020). Pure; MERGE_BYTES_MAX and EDITS_MAX bound its cost.

What both wrote survives where something that neither changed is between their changes. Where these meet or touch
there is no merge: which of them is right, or which comes first, only a person can say.
"""

import itertools

from sync_svc.domain.form import MergeBy
from sync_svc.domain.words import Edit, edits, lines, tokens

MERGE_BYTES_MAX = 16 * 1024  # of UTF-8, for each of the texts


def too_long(*texts: str) -> bool:
    return any(len(text.encode(errors="surrogatepass")) > MERGE_BYTES_MAX for text in texts)


def merge(base: str, mine: str, theirs: str, by: MergeBy = "words") -> str | None:
    """The text with the changes that both made to `base`; None where they are in each other's way.

    Symmetric: whose change came first makes no difference.
    """
    if mine in (base, theirs):
        return theirs
    if theirs == base:
        return mine
    split = tokens if by == "words" else lines
    old = split(base)
    changes = _together(edits(old, split(mine)), edits(old, split(theirs)))
    return None if changes is None else "".join(_apply(old, changes))


def _together(mine: list[Edit], theirs: list[Edit]) -> list[Edit] | None:
    """All changes in order, the same one once; None when two meet or touch."""
    changes = sorted({*mine, *theirs}, key=lambda edit: (edit.start, edit.end))
    for before, after in itertools.pairwise(changes):
        if after.start <= before.end:
            return None
    return changes


def _apply(old: list[str], changes: list[Edit]) -> list[str]:
    merged, position = list[str](), 0
    for edit in changes:
        merged += [*old[position : edit.start], *edit.added]
        position = edit.end
    return merged + old[position:]
