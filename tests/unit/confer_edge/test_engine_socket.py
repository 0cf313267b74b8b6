"""Sessions of clients that poll: their end, and that nothing of them stays."""

import asyncio
from collections.abc import Callable

import pytest
from engineio.exceptions import QueueEmpty
from engineio.packet import CLOSE, MESSAGE, Packet

from confer_edge.engine import Engine
from confer_edge.engine_socket import Socket
from confer_edge.outbox import ANSWERS
from confer_edge.packets import Outgoing
from confer_kit.tasks import Tasks

from .sockets import served

BYTES_MAX = 1000


def polling(query: str = "EIO=4&transport=polling") -> tuple[Engine, Socket]:
    engine = Engine(async_mode="asgi", ping_interval=5, ping_timeout=0.1, monitor_clients=False)
    engine.queued_max, engine.unsent_max, engine.patience_s = 100, BYTES_MAX, 0.1
    socket = engine.sockets["s"] = Socket(engine, "s", query)
    socket.connected = True
    return engine, socket


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


def answer(size: int) -> Outgoing:
    return Outgoing.of(Packet(MESSAGE, "x" * size))


async def test_a_poller_that_is_cut_off_and_never_asks_again_is_forgotten() -> None:
    engine, socket = polling()
    engine.cut(socket, "a test")
    await until(lambda: "s" not in engine.sockets)


async def test_two_gets_at_once_end_the_session_and_it_is_forgotten() -> None:
    engine, socket = polling()
    tasks = Tasks()
    first = tasks.start(socket.handle_get_request({}))
    await until(lambda: socket.out.polled)
    with pytest.raises(QueueEmpty):
        await socket.handle_get_request({})
    assert [packet.packet_type for packet in await first] == [CLOSE]
    await until(lambda: "s" not in engine.sockets)


async def test_answers_beyond_the_limit_end_the_session_and_leave_nothing_behind() -> None:
    engine, socket = polling()
    for _ in range(ANSWERS):
        assert not socket.out.over
        socket.write(answer(BYTES_MAX))
    assert socket.out.over
    socket.write(answer(1))
    assert socket.out.waiting_bytes == 0
    await until(lambda: "s" not in engine.sockets)


async def test_who_does_not_poll_in_time_is_cut_off() -> None:
    engine, socket = polling()
    socket.write(answer(1))
    assert not await socket.taken()
    assert socket.out.over
    await until(lambda: "s" not in engine.sockets)


async def test_who_polls_has_taken_what_was_written() -> None:
    engine, socket = polling()
    engine.patience_s = 5.0
    socket.write(answer(1))
    tasks = Tasks()
    taken = tasks.start(socket.taken())
    assert len(await socket.handle_get_request({})) == 1
    assert not taken.done()
    tasks.start(socket.handle_get_request({}))
    assert await taken
    await tasks.cancel()


async def test_who_upgrades_while_it_is_waited_for_has_taken_what_was_written() -> None:
    """No further GET comes that could tell."""
    engine, socket = polling()
    engine.patience_s = 30.0
    async with served() as dial:
        socket.write(answer(1))
        taken = Tasks().start(socket.taken())
        assert len(await socket.handle_get_request({})) == 1
        assert not taken.done()
        link, _, _ = await dial()
        socket._live(link)
        assert await taken


@pytest.mark.parametrize(("query", "told"), [("EIO=4&transport=polling", True), ("transport=polling&EIO=4", False)])
async def test_python_s_poller_is_not_told_of_the_end_for_it_would_stay_away(query: str, told: bool) -> None:
    _, socket = polling(query)
    get = Tasks().start(socket.handle_get_request({}))
    await until(lambda: socket.out.polled)
    await socket.send_away()
    assert ([packet.packet_type for packet in await get] == [CLOSE]) is told
