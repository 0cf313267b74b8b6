"""`confer-edge`: read the settings, connect, serve, drain on SIGTERM; in one process, or in several workers."""

import argparse
from importlib.metadata import version

import uvloop

from confer_edge import workers
from confer_edge.app import Edge
from confer_edge.listening import listening, reserved
from confer_edge.settings import EdgeSettings
from confer_kit import garbage, logs, telemetry
from confer_kit.process import connected, read_settings, stop_event, unless_stopped

log = logs.logger(__name__)
NAME = "confer-edge"


async def serve(settings: EdgeSettings) -> None:
    stop = stop_event()
    async with connected(settings, NAME, stop) as link:
        edge = Edge(link, settings, leave=stop.set)
        await unless_stopped(stop, edge.start())
        garbage.settle()
        async with listening(edge.application, settings, edge.opens) as port:
            log.info(f"listening on http://{settings.host}:{port}")
            link.judged = lambda: edge.probe.complaint
            await stop.wait()
            log.info("draining", clients=len(edge.doorway.sessions))
            left = await edge.drain()
    if left:
        log.warning("stopped; some clients had to be cut", clients=left)
    else:
        log.info("stopped cleanly")


def main() -> None:
    parser = argparse.ArgumentParser(NAME, description=__doc__, epilog="Everything else is set by the environment.")
    parser.add_argument("--workers", metavar="N", help="processes that share the port; beats CONFER_WORKERS")
    given = {name: value for name, value in vars(parser.parse_args()).items() if value is not None}
    settings = read_settings(EdgeSettings, **given)
    logs.configure(NAME, settings.log_level, settings.log_format)
    if settings.workers == 1:
        work(settings)
    else:
        with reserved(settings) as port:
            number = workers.fork(settings.workers, settings.drain_s)
            work(settings.of_worker(number, port))


def work(settings: EdgeSettings) -> None:
    telemetry.setup(NAME, settings.traces_to, version(NAME), ids=settings.trace_ids)
    uvloop.run(serve(settings))


if __name__ == "__main__":
    main()
