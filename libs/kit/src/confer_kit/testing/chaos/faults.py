"""What can break, each as one function: it breaks, it stays broken for a while, it is made whole again."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

import nats.errors

from confer_contracts.subjects import LIVE, SESSIONS, stream_of
from confer_kit.testing.nats import NatsCluster
from confer_kit.testing.system import SERVICES, Process

if TYPE_CHECKING:
    from confer_kit.testing.chaos.storm import Storm

Fault = Callable[["Storm"], Awaitable[None]]
KEPT: Final = 5  # messages, when LIVE is trimmed


async def clients_are_cut(storm: "Storm") -> None:
    for member in storm.dice.sample(storm.members, max(1, len(storm.members) // 2)):
        await member.cut()


async def a_service_is_killed(storm: "Storm") -> None:
    await _killed_in_the_middle(storm, storm.system.processes[storm.dice.choice(SERVICES)])


async def sync_is_killed(storm: "Storm") -> None:
    await _killed_in_the_middle(storm, storm.system.processes["sync-svc"])


async def an_edge_is_killed(storm: "Storm") -> None:
    await _killed_in_the_middle(storm, storm.system.processes[storm.dice.choice(storm.edges_with_writers())])


async def _killed_in_the_middle(storm: "Storm", process: Process) -> None:
    """Frozen first, so that calls are under way that will never be answered."""
    process.freeze()
    await storm.until_calls_hang()
    await process.kill()
    await asyncio.sleep(storm.dice.uniform(0.2, 1.5))
    await storm.system.restart(process.name)


async def nats_is_killed(storm: "Storm") -> None:
    storm.system.nats.freeze()
    await storm.until_calls_hang()
    await storm.system.nats.kill()
    await asyncio.sleep(storm.dice.uniform(0.2, 1.5))
    await storm.system.nats.start()


async def nats_is_frozen(storm: "Storm") -> None:
    storm.system.nats.freeze()
    await asyncio.sleep(storm.seconds(3, 12))
    storm.system.nats.thaw()


async def an_edge_is_cut_from_nats(storm: "Storm") -> None:
    storm.line.cut()
    await asyncio.sleep(storm.seconds(3, 20))
    storm.line.mend()


async def an_edge_hears_nothing_from_nats(storm: "Storm") -> None:
    """Half open: nobody is told."""
    storm.line.black_hole()
    await asyncio.sleep(storm.seconds(6, 25))
    storm.line.mend()


async def an_edge_has_a_slow_line(storm: "Storm") -> None:
    storm.line.delay(0.1)
    await asyncio.sleep(storm.seconds(3, 10))
    storm.line.mend()


async def clients_hear_nothing(storm: "Storm") -> None:
    """Half open, until they notice by the missing ping."""
    door = storm.dice.choice(storm.doors)
    door.black_hole()
    await asyncio.sleep(storm.seconds(5, 15))
    door.reset()
    door.mend()


async def an_edge_is_frozen(storm: "Storm") -> None:
    process = storm.system.processes[storm.dice.choice(storm.edges)]
    process.freeze()
    await asyncio.sleep(storm.seconds(8, 60))
    process.thaw()


async def live_is_made_anew(storm: "Storm") -> None:
    """Under traffic: what is written while there is none is in no LIVE at all."""
    js = storm.recorder.link.nc.jetstream(timeout=5)
    info = await js.stream_info(LIVE)
    for source in info.config.sources or []:  # its feed ends first, so that its end is known
        assert source.name is not None and source.consumer is not None
        await js.delete_consumer(source.name, source.consumer.name)
    await storm.recorder.catch_up_to_its_end()
    await js.delete_stream(LIVE)
    await asyncio.sleep(storm.dice.uniform(0.1, 1.0))
    await storm.system.provision()


async def live_is_trimmed(storm: "Storm") -> None:
    """While an edge is away, so that it misses what is gone."""
    storm.line.cut()
    await asyncio.sleep(2)
    await storm.hush()
    js = storm.recorder.link.nc.jetstream(timeout=5)
    config = (await js.stream_info(LIVE)).config
    await js.update_stream(config.evolve(max_msgs=KEPT))
    await js.update_stream(config.evolve(max_msgs=-1))
    storm.line.mend()
    storm.go_on()


async def leaders_step_down(storm: "Storm") -> None:
    """Of LIVE, of the truth, of the sessions: another server answers from now on."""
    for stream in (LIVE, stream_of("sync"), SESSIONS):
        try:
            await storm.recorder.link.nc.request(f"$JS.API.STREAM.LEADER.STEPDOWN.{stream}", b"", timeout=5)
        except (TimeoutError, nats.errors.Error):
            storm.note(f"the leader of {stream} did not answer")
        await asyncio.sleep(0.5)


async def a_leader_is_killed(storm: "Storm") -> None:
    nats_servers = storm.system.nats
    assert isinstance(nats_servers, NatsCluster)
    info = await storm.recorder.link.nc.jetstream(timeout=5).stream_info(LIVE)
    assert info.cluster is not None and info.cluster.leader is not None
    node = nats_servers.nodes[int(info.cluster.leader.removeprefix("n"))]
    node.freeze()
    await storm.until_calls_hang()
    await node.kill()
    await asyncio.sleep(storm.seconds(5, 15))
    await node.start()


ON_ONE_SERVER: Final[tuple[Fault, ...]] = (
    clients_are_cut, an_edge_is_killed, sync_is_killed, nats_is_killed, an_edge_is_cut_from_nats, clients_hear_nothing,
    an_edge_is_frozen, live_is_trimmed, a_service_is_killed, an_edge_hears_nothing_from_nats, an_edge_has_a_slow_line,
    nats_is_frozen, live_is_made_anew,
)  # fmt: skip
ON_THREE_SERVERS: Final[tuple[Fault, ...]] = (
    clients_are_cut, leaders_step_down, an_edge_is_killed, a_leader_is_killed, leaders_step_down, live_is_made_anew,
)  # fmt: skip
FOR_LONG_ON_THREE: Final[tuple[Fault, ...]] = (
    *ON_THREE_SERVERS, sync_is_killed, a_service_is_killed, an_edge_is_frozen, clients_hear_nothing, nats_is_killed,
    nats_is_frozen,
)  # fmt: skip
