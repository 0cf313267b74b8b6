"""Asking the NATS servers how they are, again and again, at their monitoring ports (HTTP)."""

import asyncio
import http.client
import json
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import Field

from confer_kit import garbage, logs
from confer_kit.exposition import exposed
from confer_kit.process import read_settings, stop_event, unless_stopped
from confer_kit.settings import KitSettings
from confer_kit.tasks import again, together
from confer_ops.fetching import directly
from confer_ops.nats_metrics import REGISTRY, Answer, Shown

PROCESS: Final = "nats-metrics"
ASKED_WITHIN_S: Final = 2.0
CLOSED: Final = "/connz?state=closed&sort=stop&limit=256"  # the last ones
ANSWER_BYTES_MAX: Final = 16 << 20


class Settings(KitSettings):
    metrics_port: int = Field(9106, ge=0, le=65535, description="port of /metrics; 0: none")
    nats_monitoring: str = Field(
        "http://127.0.0.1:8222", description="monitoring ports of the NATS servers, separated by commas"
    )
    nats_monitoring_s: float = Field(5, gt=0, description="how often they are asked")


class Monitoring:
    """`urls` as in the setting. `ask` once before anything is shown."""

    def __init__(self, urls: str) -> None:
        self._servers = {urlsplit(url).netloc: url for url in monitored(urls)}
        self._shown = Shown()

    async def ask(self) -> None:
        answers = await together(*(self._answer(url) for url in self._servers.values()))
        self._shown.show(dict(zip(self._servers, answers, strict=True)))

    @staticmethod
    async def _answer(url: str) -> Answer | None:
        paths = ("/varz", "/jsz?streams=true&consumers=true&config=true", CLOSED)
        try:
            server, jetstream, closed = [await asyncio.to_thread(get, url + path) for path in paths]
        except (OSError, http.client.HTTPException, ValueError):
            return None
        return Answer(server, jetstream, closed) if "config" in jetstream else None  # JetStream is off, or not up yet


def monitored(urls: str) -> list[str]:
    """Each of the addresses in the setting."""
    return [each.strip().rstrip("/") for each in urls.split(",")]


def get(url: str) -> dict[str, Any]:
    with directly.open(url, timeout=ASKED_WITHIN_S) as answer:
        found: dict[str, Any] = json.loads(answer.read(ANSWER_BYTES_MAX))
        return found


async def watch(settings: Settings) -> None:
    """Serve their numbers until cancelled."""
    monitoring = Monitoring(settings.nats_monitoring)
    await monitoring.ask()
    async with exposed(settings, PROCESS, lambda: None, REGISTRY):
        await again(settings.nats_monitoring_s, monitoring.ask)


async def run() -> None:
    """The whole life of the process `confer nats-metrics`."""
    settings = read_settings(Settings)
    logs.configure(PROCESS, settings.log_level, settings.log_format)
    garbage.settle()
    await unless_stopped(stop_event(), watch(settings))
