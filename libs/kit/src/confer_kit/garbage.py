"""Garbage collection in a process that keeps thousands of sessions or records: nearly all that it looks at lives on."""

import gc
from typing import Final

YOUNG_MAX: Final = 2_000  # new objects until the youngest are looked at; Python has 700


def settle() -> None:
    """Once, when everything is wired: what is there stays until the end, and is not looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_MAX)
