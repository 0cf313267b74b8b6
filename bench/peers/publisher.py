"""A bare nats-py client that publishes to JetStream, the next message after each acknowledgement. Prints JSON.

`python publisher.py URL NATS_PID SUBJECT IN_FLIGHT WARMUP_S SECONDS`; `%ROOM%` in the subject runs from 0 on.
"""

import asyncio
import itertools
import json
import sys
import time

import nats
import uvloop

from bench import process
from bench.services.scenarios import BODY, HEADERS, ROOMS


async def main(url: str, nats_pid: int, subject: str, in_flight: int, times: tuple[float, float]) -> None:
    nc = await nats.connect(url)
    warmup_s, seconds = times
    js, headers, took, turn = nc.jetstream(), dict(HEADERS), list[float](), itertools.count()
    began = time.perf_counter() + warmup_s
    end = began + seconds
    server = process.cpu_clock(nats_pid)
    cpu = all_cpu = 0.0

    async def publish_on() -> None:
        nonlocal cpu, all_cpu
        while (sent := time.perf_counter()) < end:
            room = str(next(turn) % ROOMS)
            await js.publish(subject.replace("%ROOM%", room), BODY.replace("%ROOM%", room).encode(), headers=headers)
            if sent >= began:
                took.append(time.perf_counter() - sent)
                cpu = cpu or time.process_time()
                all_cpu = all_cpu or cpu + time.clock_gettime(server)

    await asyncio.gather(*(publish_on() for _ in range(in_flight)))
    all_cpu = time.process_time() + time.clock_gettime(server) - all_cpu
    cpu, spent = time.process_time() - cpu, time.perf_counter() - began
    took.sort()
    p50, p99 = (round(took[int(len(took) * part)] * 1e6) for part in (0.5, 0.99))
    result = {
        "seconds": round(spent, 3), "updates": len(took), "updates_per_s": round(len(took) / spent, 1),
        "cpu_us_per_update": round(cpu / len(took) * 1e6, 1),
        "all_cpu_us_per_update": round(all_cpu / len(took) * 1e6, 1), "p50_us": p50, "p99_us": p99,
    }  # fmt: skip
    print(json.dumps(result))
    await nc.close()


if __name__ == "__main__":
    _, url, nats_pid, subject, in_flight, warmup_s, seconds = sys.argv
    uvloop.run(main(url, int(nats_pid), subject, int(in_flight), (float(warmup_s), float(seconds))))
