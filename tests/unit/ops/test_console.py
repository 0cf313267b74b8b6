import io

from confer_ops.console import LINE_CHARS_MAX, Console, table


class Gone(io.StringIO):
    def write(self, _: str) -> int:
        raise BrokenPipeError


def test_columns_line_up_and_the_last_is_not_padded() -> None:
    assert table([("a", "pid 1", "here"), ("longer", "pid 22", "")]) == [
        "  a        pid 1    here",
        "  longer   pid 22",
    ]
    assert table([]) == []


def test_lines_are_prefixed_and_cut() -> None:
    out = io.StringIO()
    Console(out).line("sync-svc", "x" * (LINE_CHARS_MAX + 10))
    _, _, rest = out.getvalue().partition(" ")
    name, _, text = rest.partition(" | ")
    assert name.rstrip() == "sync-svc"
    assert text == "x" * LINE_CHARS_MAX + "\n"


def test_colour_only_where_asked() -> None:
    plain, painted = io.StringIO(), io.StringIO()
    Console(plain).warn("no")
    Console(painted, colour=True).warn("yes")
    assert "\x1b" not in plain.getvalue()
    assert "\x1b[31myes\x1b[0m" in painted.getvalue()


def test_a_reader_that_went_away_is_told_once() -> None:
    console, told = Console(Gone()), []
    console.when_closed = lambda: told.append(1)
    console.say("one")
    console.say("two")
    assert told == [1]
