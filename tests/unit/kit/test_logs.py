"""JSON lines tell where an exception came from, and no values; what is said is set by module; floods have a bound."""

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confer_kit.logs import LEVELS, parse_levels

FAILS = """
from confer_kit import logs
logs.configure("x", "{level}", "{style}")
def fails():
    payload = "somebody's" + " local"
    try:
        raise KeyError("a" + " key")
    except KeyError as error:
        raise ValueError("a" + " secret") from error
try:
    fails()
except ValueError:
    logs.logger("x").exception("broken", n=1)
"""


def printed(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stderr == ""
    return done.stdout


def test_an_exception_has_its_frames_and_causes_and_neither_values_nor_its_text() -> None:
    text = printed(FAILS.format(level="info", style="json"))
    line = json.loads(text)
    assert [error["type"] for error in line["exception"]] == ["ValueError", "KeyError"]
    assert [frame["name"] for frame in line["exception"][0]["frames"]] == ["<module>", "fails"]
    assert {"level": "error", "service": "x", "module": "x", "event": "broken", "n": 1}.items() <= line.items()
    for personal in ("local", "secret", "key"):
        assert f"a {personal}" not in text
        assert f"somebody's {personal}" not in text


def test_on_a_terminal_an_exception_is_its_type_and_place() -> None:
    assert printed(FAILS.format(level="info", style="text")) == "!! broken n=1 error=ValueError in fails (<string>:9)\n"


def test_where_debug_is_set_the_text_is_shown() -> None:
    assert "ValueError: a secret" in printed(FAILS.format(level="debug", style="text"))


def test_levels_are_by_module_and_the_longest_name_counts() -> None:
    code = """
from confer_kit import logs
quiet, loud, other = (logs.logger(name) for name in ("confer_kit.serving", "confer_kit.feed.one", "other"))
logs.configure("x", "warning", "text")
logs.set_levels(logs.parse_levels(b"confer_kit = error  # all of it\\nconfer_kit.feed = debug\\n"))
for log in (quiet, loud, other, logs.logger("confer_kit.feed")):
    log.debug(f"{log.name} debug"); log.warning(f"{log.name} warning")
logs.set_levels({})
loud.debug("not any more")
"""
    assert printed(code).splitlines() == [
        "confer_kit.feed.one debug", "! confer_kit.feed.one warning", "! other warning",
        "confer_kit.feed debug", "! confer_kit.feed warning",
    ]  # fmt: skip


@pytest.mark.parametrize("line", ["confer_kit", "= debug", "confer_kit = loud", "confer_kit = "])
def test_a_level_that_is_none_is_refused_with_its_line(line: str) -> None:
    with pytest.raises(ValueError, match="line 2: "):
        parse_levels(f"# levels\n{line}\n".encode())


@given(st.dictionaries(st.from_regex(r"[a-z_]+(\.[a-z_]+)*", fullmatch=True), st.sampled_from(sorted(LEVELS))))
def test_levels_are_read_as_they_are_written(levels: dict[str, str]) -> None:
    text = "\n".join(f"{module} = {level}" for module, level in levels.items())
    assert parse_levels(text.encode()) == {module: LEVELS[level] for module, level in levels.items()}


def test_handled_messages_are_a_line_each_up_to_a_bound_and_the_next_line_tells_how_many_were_left_out() -> None:
    code = """
from itertools import count
from confer_kit import handled, logs
seconds = count()
logs.configure("x", "info", "json")
handled.configure(2)
handled.time.monotonic = lambda: 0
for n in range(5):
    handled.handled("call.sync.field_update", "invalid", 0.0123, field="base_version.x")
handled.time.monotonic = lambda: 1
handled.handled("call.sync.field_update", "ok", 0.5, field="whatever the client wrote", seq=7)
"""
    first, second, last = (json.loads(line) for line in printed(code).splitlines())
    assert first == second | {"time": first["time"]}
    about = {"event": "call.sync.field_update", "module": "handled", "trace": None}
    assert ({"outcome": "invalid", "ms": 12.3, "field": "base_version"} | about).items() <= first.items()
    assert ({"outcome": "ok", "left_out": 3, "seq": 7} | about).items() <= last.items()
    assert "field" not in last


def test_nobody_writes_a_line_of_ours_and_nothing_reaches_the_terminal_but_text() -> None:
    code = """
from confer_kit import logs
logs.configure("x", "info", "{style}")
logs.logger("x").info("told", reason="a\\r\\nforged outcome=ok\\x1b[2J\\u2028 ไทย")
"""
    assert printed(code.replace("{style}", "text")) == "told reason=a\\r\\nforged outcome=ok\\x1b[2J\\u2028 ไทย\n"
    assert json.loads(printed(code.replace("{style}", "json")))["reason"] == "a\r\nforged outcome=ok\x1b[2J\u2028 ไทย"
