"""Public displays on /board: they see numbers and stations of one queue, and nothing else; and not everybody may."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from confer_kit.testing import System, running_system
from confer_kit.testing.client import Client
from confer_kit.testing.javascript import JavaScriptClient, Node, node
from confer_kit.testing.tokens import SECRET, token

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.node]

BOARD_TOKEN = "for the waiting room"
REFUSED = "token: is not the board token of this installation (CONFER_BOARD_TOKEN)"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    file = tmp_path_factory.mktemp("board") / "token"
    file.write_text(f"{BOARD_TOKEN}\n")
    jwt = {"CONFER_IDENTITY": "jwt", "CONFER_JWT_SECRET": SECRET}
    async with running_system(CONFER_HEALTH_CHECK_S="1") as running:
        await running.add_edge("guarded", **jwt, CONFER_BOARD_TOKEN_FILE=str(file), CONFER_DISPLAYS_MAX="1")
        await running.add_edge("closed", **jwt)
        for edge in ("guarded", "closed"):
            await running.healthy(edge)
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def process() -> AsyncIterator[Node]:
    async with node(Path(__file__).parent / "js") as running:
        yield running


async def display(process: Node, system: System, auth: Any, edge: str = "edge", **options: Any) -> JavaScriptClient:
    """A client of the namespace, connected or refused."""
    client = await process.open("4.8", f"{system.url(edge)}/board", {"auth": auth, "reconnection": False, **options})
    await client.until(lambda: client.connected or bool(client.connect_errors), "an answer")
    return client


@pytest.mark.parametrize("transports", [["polling"], ["websocket"]], ids=str)
async def test_a_display_sees_numbers_and_stations_and_nothing_else(
    system: System, process: Node, transports: list[str]
) -> None:
    where = f"eyes ตา {transports[0]}"
    screen = await display(process, system, {"queue": where}, transports=transports)
    other = await display(process, system, {"queue": "another"})
    assert await screen.got("queue_board") == {
        "queue": where, "called": [], "next": [], "waiting": 0, "estimated_wait": None,
    }  # fmt: skip
    await other.got("queue_board")
    staff = await Client("secret-nurse").connect(system.url())
    for patient in ("secret-1", "secret-2"):
        await staff.until_ok("queue_enqueue", queue=where, patient_id=patient)
    await staff.until_ok("join_patient_room", patient_id="secret-1")
    await staff.until_ok("field_update", patient_id="secret-1", field="note", value="secret")
    await staff.until_ok("notification_send", to={"all": True}, title="secret")
    await screen.emit("queue_enqueue", {"queue": where, "patient_id": "secret-intruder"})
    await screen.emit("join_patient_room", {"patient_id": "secret-1"})
    called = await staff.until_ok("queue_call_next", queue=where, station="room 3", op=f"call {where}")
    shown = await screen.got("queue_board", lambda board: bool(board["called"]))
    (call,) = shown["called"]
    assert (call["number"], call["station"], call["serving"]) == ("E-001", "room 3", False)
    assert (shown["next"], shown["waiting"]) == (["E-002"], 1)
    claim = {"queue": where, "ticket": called["ticket"]["ticket"], "token": called["token"]}
    await staff.until_ok("queue_serve", **claim)
    await screen.got("queue_board", lambda board: any(call["serving"] for call in board["called"]))
    await staff.until_ok("queue_done", **claim)
    await screen.got("queue_board", lambda board: board["waiting"] == 1 and not board["called"])

    late = await display(process, system, {"queue": where})
    assert (await late.got("queue_board"))["next"] == ["E-002"]
    assert set(screen.names()) == {"queue_board"}
    told = json.dumps([event.args for event in screen.events], ensure_ascii=False)
    assert "secret" not in told
    assert called["token"] not in told
    assert called["ticket"]["ticket"] not in told
    assert [row["patient_id"] for row in (await staff.until_ok("queue_get", queue=where))["rows"]] == ["secret-2"]
    assert other.bodies("queue_board") == [
        {"queue": "another", "called": [], "next": [], "waiting": 0, "estimated_wait": None}
    ]
    await staff.close()
    for client in (screen, other, late):
        await client.close()
    await system.settled(lambda metrics: metrics.value("confer_edge_displays") == 0)


@pytest.mark.parametrize(
    ("edge", "auth", "message"),
    [
        ("guarded", {"queue": "eyes"}, REFUSED),
        ("guarded", {"queue": "eyes", "token": "for the waiting roon"}, REFUSED),
        ("guarded", {"queue": "eyes", "token": ""}, REFUSED),
        ("closed", {"queue": "eyes"}, REFUSED),
        ("closed", {"queue": "eyes", "token": BOARD_TOKEN}, REFUSED),
        ("edge", None, "queue: Field required"),
        ("edge", {"queue": ""}, "queue: must have 1 to 128 bytes of UTF-8, has 0"),
        ("edge", {"queue": ["eyes"]}, "queue: "),
        ("guarded", {"queue": "eyes", "token": 7}, "token: "),
    ],
)
async def test_who_may_not_is_told_why(system: System, process: Node, edge: str, auth: Any, message: str) -> None:
    client = await display(process, system, auth, edge)
    ((told, details),) = client.connect_errors
    assert told.startswith(message)
    assert details["code"] in ("unauthenticated", "invalid")
    assert not client.events
    assert BOARD_TOKEN not in system.processes[edge].log
    await client.close()


async def test_a_persons_token_opens_no_board_and_the_boards_token_nothing_else(system: System, process: Node) -> None:
    nurse = await display(process, system, {"queue": "eyes", "token": token()}, "guarded")
    assert nurse.connect_errors[0][0] == REFUSED
    screen = await display(process, system, {"queue": "eyes", "token": BOARD_TOKEN}, "guarded")
    await screen.got("queue_board")
    second = await display(process, system, {"queue": "eyes", "token": BOARD_TOKEN}, "guarded")
    ((told, details),) = second.connect_errors
    assert (told, details["code"]) == ("displays: this edge serves 1 at most (CONFER_DISPLAYS_MAX)", "limit_exceeded")
    intruder = await process.open("4.8", system.url("guarded"), {"auth": {"token": BOARD_TOKEN}, "reconnection": False})
    await intruder.until(lambda: bool(intruder.connect_errors), "a refusal")
    assert not intruder.sids
    for client in (nurse, screen, second, intruder):
        await client.close()


async def test_a_display_that_comes_while_the_service_is_away_gets_its_board_later(
    system: System, process: Node
) -> None:
    staff = await Client("nurse").connect(system.url())
    await staff.until_ok("queue_enqueue", queue="later", patient_id="p1")
    await system.processes["queue-svc"].kill()
    screen = await display(process, system, {"queue": "later"})
    await system.restart("queue-svc")
    assert (await screen.got("queue_board", timeout=90))["next"] == ["L-001"]
    await staff.close()
    await screen.close()
