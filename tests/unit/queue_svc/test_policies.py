"""The file of policies: what it means, and that a mistake has a place."""

from pathlib import Path

import pytest

from queue_svc.domain.order import Ordering
from queue_svc.domain.policy import Policy, Station
from queue_svc.policies import policies_of

WHOLE = """
version = 3
[queues.registration]
next = "screening"
[queues.screening]
claim_s = 900
recalls = 2
requeue = "end"
requeue_choice = true
renew_while_present = false
return_when_holder_leaves = false
shares = { high = 4, normal = 2, low = 1 }
tickets_per_patient = 2
tickets_max = 100
kinds = { adult = [], child = ["children"] }
[queues.screening.stations."room 3"]
kinds = ["child"]
skills = ["children"]
"""


def test_a_file_is_read() -> None:
    assert policies_of(WHOLE.encode()) == {
        "registration": Policy(version=3, next_queue="screening"),
        "screening": Policy(
            version=3, claim_s=900, recalls_max=2, requeue="end", requeue_choice=True, renew_present=False,
            return_when_left=False, ordering=Ordering(None, (4, 2, 1)), tickets_per_patient=2, tickets_max=100,
            kinds={"adult": frozenset(), "child": frozenset({"children"})},
            stations={"room 3": Station(kinds=frozenset({"child"}), skills=frozenset({"children"}))},
        ),
    }  # fmt: skip


def test_the_example_is_a_file() -> None:
    example = policies_of((Path(__file__).parents[3] / "deploy" / "queues.example.toml").read_bytes())
    assert [policy.next_queue for policy in example.values()] == ["screening", "doctor", None]


def test_an_empty_table_is_as_without_a_file() -> None:
    assert policies_of(b"version = 1\n[queues.a]") == {"a": Policy(version=1)}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[queues.a]", "version"),
        ("version = 0\n[queues.a]", "version"),
        ("version = 1", "queues"),
        ("version = 1\n[queues.a]\nclaims = 5", "queues.a.claims"),
        ("version = 1\n[queues.a]\nclaim_s = -1", "queues.a.claim_s"),
        ("version = 1\n[queues.a]\nclaim_s = nan", "queues.a.claim_s"),
        ("version = 1\n[queues.a]\ntickets_max = 1000000", "queues.a.tickets_max"),
        ("version = 1\n[queues.a]\nrecalls = 1000", "queues.a.recalls"),
        ('version = 1\n[queues.a]\nrequeue = "middle"', "queues.a.requeue"),
        ("version = 1\n[queues.a]\nshares = { high = 0, normal = 1, low = 1 }", "queues.a.shares.high"),
        ("version = 1\n[queues.a]\nageing_s = 5\nshares = { high = 1, normal = 1, low = 1 }", "queues.a"),
        ('version = 1\n[queues.a]\nnext = "b"', "queues.a.next"),
        ('version = 1\n[queues.a]\nnext = "a"', "queues.a.next"),
        ('version = 1\n[queues.a]\nnext = "b"\n[queues.b]\nnext = "a"', "queues.b.next"),
        ('version = 1\n[queues.a]\nkinds = { x = ["s", "s"] }', "queues.a.kinds.x"),
        ('version = 1\n[queues.a]\nkinds = { x = [] }\n[queues.a.stations.1]\nkinds = ["y"]', "stations.1.kinds"),
        (f'version = 1\n[queues."{"x" * 129}"]', "queues"),
        ("version = ", "it is not TOML"),
    ],
)
def test_a_mistake_has_its_place(text: str, place: str) -> None:
    with pytest.raises(ValueError, match=r"^.+$") as refused:
        policies_of(text.encode())
    assert place in str(refused.value)
