"""What an operator sees and does with `confer`: status, tail, drain, on the whole system."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from confer_kit.tasks import Tasks
from confer_kit.testing import System, running_system
from confer_kit.testing.client import Client
from confer_kit.testing.command import confer
from confer_ops.connection import connected
from confer_ops.processes import EDGE, EXPECTED, Process, complaints, found

pytestmark = pytest.mark.asyncio(loop_scope="module")
WITHIN_S = 120


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system() -> AsyncIterator[System]:
    async with running_system() as running:
        yield running


class Operator:
    """At the command line; what is waited for is read without starting it each time."""

    def __init__(self, system: System) -> None:
        self._url = system.nats.url

    async def does(self, *arguments: str) -> tuple[int, str, str]:
        return await confer(*arguments, "--nats-url", self._url)

    async def status(self) -> list[Process]:
        async with connected(self._url, "test") as nc:
            return await found(nc, wait_s=20)

    async def sees(self, condition: Callable[[list[Process]], object]) -> list[Process]:
        async with asyncio.timeout(WITHIN_S):
            while not condition(shown := await self.status()):
                pass
        return shown

    async def edges(self) -> set[str]:
        return {each.id for each in await self.status() if each.name == EDGE}


def edges_in(shown: list[Process]) -> int:
    return sum(process.name == EDGE and process.ready for process in shown)


@pytest.fixture
def operator(system: System) -> Operator:
    return Operator(system)


async def test_status_shows_each_process_and_what_it_has_done(system: System, operator: Operator) -> None:
    ann = await Client("anna").connect(system.url())
    await ann.until_ok("join_patient_room", patient_id="S 1")
    await ann.until_ok("field_update", patient_id="S 1", field="a", value=1)
    await operator.sees(lambda shown: not complaints(shown) and all(p.lag == 0 for p in shown))
    code, out, err = await operator.does("status", "--wait", "20", "--json")
    told = json.loads(out)
    assert (err, told["complaints"], len(told["versions"])) == ("", [], 1)
    by_name = {process["name"]: process for process in told["processes"]}
    assert code == 0
    assert tuple(by_name) == EXPECTED
    assert len({process["id"] for process in told["processes"]}) == len(EXPECTED)
    assert by_name["sync-svc"]["calls"] >= 2  # the snapshot and the update
    assert by_name[EDGE]["calls"] >= 2
    assert by_name[EDGE]["clients"] == 1
    assert all(process["started"] <= process["now"] for process in told["processes"])
    code, out, _ = await operator.does("status", "--wait", "20")
    assert code == 0
    assert tuple(line.split()[0] for line in out.splitlines()[1:6]) == EXPECTED
    assert out.endswith("all of it runs\n")
    await ann.close()


async def test_tail_shows_what_an_audience_gets_with_who_and_the_trace(system: System, operator: Operator) -> None:
    ann = await Client("anna").connect(system.url())
    await ann.until_ok("join_patient_room", patient_id="T 1.*")
    done = await ann.until_ok("field_update", patient_id="T 1.*", field="note", value="ก")
    _, out, _ = await operator.does("tail", "room:T 1.*", "--since", "1h", "--no-follow", "--json")
    shown = [json.loads(line) for line in out.splitlines()]
    assert {fact["audience"] for fact in shown} == {"room:T 1.*"}
    (fact,) = (each for each in shown if each["event"] == "field_updated")
    assert (fact["actor"], fact["op"], fact["source"], fact["body"]["value"]) == ("anna", done["op"], "SYNC", "ก")
    assert len(fact["trace"]) == 32
    options = ("--trace", fact["trace"], "--event", "field_updated", "--user", "anna")
    code, out, _ = await operator.does("tail", "--since", "1h", "--no-follow", *options)
    assert (code, len(out.splitlines())) == (0, 1)
    assert f"room:T 1.*  field_updated  anna  {fact['trace']}  " in out
    _, out, _ = await operator.does("tail", "room:T 1.*", "--since", "1h", "--no-follow", "--user", "nobody")
    assert out == ""
    await ann.close()


async def test_tail_follows_what_comes(system: System, operator: Operator) -> None:
    ann = await Client("anna").connect(system.url())
    tasks = Tasks()
    following = tasks.start(
        operator.does("tail", "room:F1", "--count", "1", "--for", "100", "--event", "field_updated")
    )
    async with asyncio.timeout(WITHIN_S):
        while not following.done():
            await ann.until_ok("field_update", patient_id="F1", field="a", value=1)
            await asyncio.sleep(0.2)
    code, out, err = following.result()
    assert (code, err, len(out.splitlines())) == (0, "", 1)
    assert "room:F1  field_updated  anna" in out
    await ann.close()


async def test_drain_sends_clients_away_and_ends_the_edge(system: System, operator: Operator) -> None:
    (first,) = await operator.edges()
    await system.add_edge("second")
    await system.healthy("second")
    shown = await operator.sees(lambda shown: edges_in(shown) == 2)
    (second,) = {each.id for each in shown if each.name == EDGE} - {first}
    bob = await Client("bob").connect(system.url("second"))
    await bob.until_ok("field_update", patient_id="D1", field="a", value=1)
    code, out, err = await operator.does("drain", second[:8])
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == f"edge {second}: gone"
    process = system.processes["second"].process
    assert process is not None
    assert await asyncio.wait_for(process.wait(), WITHIN_S) == 0
    assert "asked by an operator to drain" in system.processes["second"].log
    await bob.until(lambda: bob.ends)
    assert await operator.edges() == {first}
    await bob.close()


async def test_all_edges_are_drained_one_after_the_other(system: System, operator: Operator) -> None:
    """With somebody who starts again what has ended, as compose does."""
    await system.restart("second")
    await operator.sees(lambda shown: edges_in(shown) == 2)
    before = await operator.edges()
    tasks = Tasks()
    at_once: list[int] = []

    async def supervise() -> None:
        while True:
            running = [name for name in ("edge", "second") if system.processes[name].running]
            at_once.append(len(running))
            for name in {"edge", "second"} - set(running):
                await system.processes[name].start()
            await asyncio.sleep(0.05)

    supervisor = tasks.start(supervise(), "supervisor")
    code, out, err = await operator.does("drain", "--all", "--json", "--timeout", "100")
    assert (code, err) == (0, "")
    assert set(json.loads(out)["drained"]) == before
    await operator.sees(lambda shown: edges_in(shown) == 2 and not {p.id for p in shown} & before)
    supervisor.cancel()
    assert min(at_once) == 1


async def test_provisioning_again_does_nothing_and_says_so(operator: Operator) -> None:
    assert await operator.does("provision", "--json") == (0, '{"done": []}\n', "")


async def test_what_cannot_be_done_is_one_sentence(operator: Operator) -> None:
    for arguments, said in (
        ("tail nobody", "'nobody' is no audience; there are all, room:ID"),
        ("tail --since then", "'then' is no date and time"),
        ("drain", "Name an edge, or say --all"),
        ("drain nope", "No edge is called 'nope'; running: "),
    ):
        code, out, err = await operator.does(*arguments.split())
        assert (code, out) == (1, "")
        assert err.startswith(f"confer: {said}"), err
        assert len(err.splitlines()) == 1


async def test_doctor_finds_nothing_where_nothing_is_wrong(system: System, operator: Operator) -> None:
    async with asyncio.timeout(WITHIN_S):
        while (done := await operator.does("doctor", "--edge", system.url(), "--wait", "20"))[0]:
            pass
    levels = {line.split()[0] for line in done[1].splitlines() if not line.startswith(" ")}
    assert "ok" in levels
    assert "wrong" not in levels
    for about in ("settings", "NATS", "JetStream", "streams", "processes", "clocks", "edge"):
        assert f"ok     {about}: " in done[1]


async def test_status_and_doctor_say_what_is_missing(system: System, operator: Operator) -> None:
    await system.processes["sync-svc"].kill()
    code, out, _ = await operator.does("status")
    assert code == 1
    assert "no sync-svc answers" in out.splitlines()
    assert "all of it runs" not in out
    code, out, _ = await operator.does("doctor", "--edge", "http://127.0.0.1:1", "--json")
    wrong = {each["about"]: each for each in json.loads(out) if each["level"] == "wrong"}
    assert code == 1
    assert wrong.keys() == {"processes", "edge"}
    assert wrong["processes"]["said"] == "no sync-svc answers"
    assert "docs/alerts.md" in wrong["processes"]["do"]
    assert wrong["edge"]["said"].startswith("http://127.0.0.1:1 does not answer")


async def test_doctor_without_nats_says_so(operator: Operator) -> None:
    code, out, _ = await confer("doctor", "--nats-url", "nats://127.0.0.1:1")
    assert code == 1
    assert "wrong  NATS: No NATS server answers at 127.0.0.1:1" in out
