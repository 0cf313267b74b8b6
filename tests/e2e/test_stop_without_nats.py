"""A process that is told to stop while NATS is away ends cleanly and soon."""

from confer_kit.testing import running_system


async def test_every_process_ends_cleanly_without_nats() -> None:
    async with running_system() as system:
        await system.nats.kill()
        await system.healthy("edge", 503)
        for process in system.processes.values():
            assert await process.stop(60) == 0, process.log[-2000:]
            assert "Traceback" not in process.log
