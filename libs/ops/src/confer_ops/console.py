"""What `confer up` prints: aligned, prefixed, coloured on a terminal."""

import sys
import time
from collections.abc import Callable, Sequence
from typing import TextIO

NAME_WIDTH = 12
LINE_CHARS_MAX = 4000
_COLOURS = (36, 32, 33, 35, 34, 96, 92, 93)
_OWN, _BAD = 1, 31


class Console:
    """Lines of several processes on one stream. `when_closed` is called once nobody reads it any more."""

    def __init__(self, out: TextIO = sys.stdout, *, colour: bool = False) -> None:
        self._out = out
        self._colour = colour
        self._names: dict[str, int] = {}
        self.when_closed: Callable[[], None] = lambda: None
        self._closed = False

    def line(self, name: str, text: str) -> None:
        """A line of the process `name`."""
        code = self._names.setdefault(name, _COLOURS[len(self._names) % len(_COLOURS)])
        self._print(f"{self._stamp()} {self._paint(name.ljust(NAME_WIDTH), code)} | {text[:LINE_CHARS_MAX]}")

    def say(self, text: str) -> None:
        """A line of our own."""
        self._print(f"{self._stamp()} {self._paint('confer'.ljust(NAME_WIDTH), _OWN)} | {text}")

    def warn(self, text: str) -> None:
        self._print(f"{self._stamp()} {self._paint('confer'.ljust(NAME_WIDTH), _OWN)} | {self._paint(text, _BAD)}")

    def block(self, lines: Sequence[str]) -> None:
        """Lines without prefix: a table, a banner."""
        self._print("\n".join(["", *lines, ""]))

    def _stamp(self) -> str:
        return self._paint(time.strftime("%H:%M:%S"), 2)

    def _paint(self, text: str, code: int) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour else text

    def _print(self, text: str) -> None:
        if self._closed:
            return
        try:
            print(text, file=self._out, flush=True)
        except OSError:  # whoever read us went away
            self._closed = True
            self.when_closed()


def table(rows: Sequence[Sequence[str]], indent: str = "  ", gap: str = "   ") -> list[str]:
    """Rows as lines with aligned columns; the last column is not padded."""
    widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(max(map(len, rows), default=0))]
    return [indent + gap.join(cell.ljust(widths[i]) for i, cell in enumerate(row)).rstrip() for row in rows]
