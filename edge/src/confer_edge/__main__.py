"""`confer-edge`: read the settings, connect, serve, drain on SIGTERM."""

from importlib.metadata import version

import uvloop

from confer_edge.app import Edge, listening
from confer_edge.settings import EdgeSettings
from confer_kit import logs, telemetry
from confer_kit.process import connected, read_settings, stop_event, unless_stopped

log = logs.logger(__name__)
NAME = "confer-edge"


async def serve(settings: EdgeSettings) -> None:
    stop = stop_event()
    async with connected(settings, NAME, stop) as link:
        edge = Edge(link, settings)
        await unless_stopped(stop, edge.start())
        async with listening(edge.application, settings) as port:
            log.info(f"listening on http://{settings.host}:{port}")
            await stop.wait()
            log.info("draining", clients=len(edge.doorway.sessions))
            left = await edge.drain()
    if left:
        log.warning("stopped; some clients had to be cut", clients=left)
    else:
        log.info("stopped cleanly")


def main() -> None:
    settings = read_settings(EdgeSettings)
    logs.configure(NAME, settings.log_level, settings.log_format)
    telemetry.setup(NAME, settings.otlp_endpoint, version(NAME))
    uvloop.run(serve(settings))


if __name__ == "__main__":
    main()
