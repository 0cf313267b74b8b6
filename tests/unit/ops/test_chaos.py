"""What `./run chaos` says at its end."""

from collections import Counter

from confer_kit.testing.chaos.crowd import Verdict
from confer_ops.chaos import options, table


def test_the_verdict_names_what_must_be_nothing_and_the_seed() -> None:
    text = table(Verdict(Counter(facts=7)), seed=5)
    assert [line.split()[-1] for line in text.splitlines() if line.startswith(("doubles", "gaps", "facts"))] == [
        "0", "0", "7",
    ]  # fmt: skip
    assert text.endswith("every client got what the log says  (seed 5)")


def test_what_is_wrong_is_told() -> None:
    text = table(Verdict(Counter(gaps=1), ["u1: e.7 never came"]), seed=5)
    assert "u1: e.7 never came" in text
    assert text.endswith("1 problems  (seed 5)")


def test_options() -> None:
    assert vars(options(["--minutes", "2", "--servers", "3"])) == {
        "minutes": 2.0, "seed": None, "clients": 12, "servers": 3, "quick": False,
    }  # fmt: skip
