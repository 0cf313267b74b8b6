"""A real Prometheus that scrapes a system under test with the configuration and the rules that we ship, in a hurry."""

import asyncio
import json
import re
import shutil
import tempfile
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from confer_kit.testing.ports import free_port
from confer_kit.testing.system import System

PATIENCE_S: Final = 90.0
WINDOW: Final = "[10s]"
_HURRY: Final = (
    (re.compile(r"(for|scrape_interval|evaluation_interval|refresh_interval): \w+"), r"\1: 1s"),
    (re.compile(r"\[\d+m\]"), WINDOW),
)


def hurried(text: str) -> str:
    """Rules, or a configuration, whose times are seconds: what takes minutes would be waited for in a test."""
    for found, instead in _HURRY:
        text = found.sub(instead, text)
    return text


class Prometheus:
    """`url`: of its HTTP API, and of its pages."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """An instant vector: each `{"metric": labels, "value": [time, text]}`."""
        found: list[dict[str, Any]] = (await self.api("query", query=expression))["result"]
        return found

    async def api(self, path: str, **parameters: str) -> Any:
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        return json.loads(await asyncio.to_thread(_get, url))["data"]

    async def exemplars(self, selector: str) -> list[dict[str, Any]]:
        """By series: each `{"seriesLabels": labels, "exemplars": [{"labels": {"trace_id": ...}, ...}]}`."""
        found: list[dict[str, Any]] = await self.api("query_exemplars", query=selector, start="0", end=str(2**32))
        return found

    async def until(self, expression: str) -> list[dict[str, Any]]:
        """Wait until it has a result."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not (found := await self.query(expression)):  # noqa: ASYNC110 - of another process
                    await asyncio.sleep(0.2)
        except TimeoutError:
            fires = await self.query('ALERTS{alertstate="firing"}')
            raise AssertionError(f"{expression} has no result; firing: {[f['metric'] for f in fires]}") from None
        return found

    async def fires(self, alert: str, **labels: str) -> None:
        """Wait until it does."""
        more = "".join(f', {name}="{value}"' for name, value in labels.items())
        await self.until(f'ALERTS{{alertname="{alert}", alertstate="firing"{more}}}')

    async def rests(self, alert: str) -> None:
        """Wait until it is neither firing nor pending."""
        await self.until(f'absent(ALERTS{{alertname="{alert}"}})')


@asynccontextmanager
async def prometheus(system: System, config: Path, instead: Mapping[str, str]) -> AsyncIterator[Prometheus]:
    """Scrapes what runs of the system now, by `config` (as deploy/prometheus/local.yml) and the rules beside it, with
    one text `instead` of another."""
    with tempfile.TemporaryDirectory(prefix="confer-prometheus-") as name:
        directory = Path(name)
        targets = directory / "metrics.json"
        targets.write_text(json.dumps(system.scraped()))
        left = {"../../.confer/metrics.json": str(targets), **instead}
        for file in (config, *config.parent.glob("*.rules.yml")):
            text = hurried(file.read_text())
            for found in [found for found in left if found in text]:
                text = text.replace(found, left.pop(found))
            (directory / file.name).write_text(text)
        assert not left, f"not there: {list(left)}"
        binary, port = shutil.which("prometheus"), free_port()
        assert binary, "prometheus is missing"
        process = await asyncio.create_subprocess_exec(
            binary, f"--config.file={directory / config.name}", f"--storage.tsdb.path={directory}/data",
            f"--web.listen-address=127.0.0.1:{port}", "--enable-feature=exemplar-storage", "--log.level=warn",
        )  # fmt: skip
        try:
            await _ready(process, port)
            yield Prometheus(f"http://127.0.0.1:{port}")
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def _ready(process: asyncio.subprocess.Process, port: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            assert process.returncode is None, "prometheus ended: its lines are among the test's"
            try:
                await asyncio.to_thread(_get, f"http://127.0.0.1:{port}/-/ready")
            except OSError:
                await asyncio.sleep(0.1)
            else:
                return


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - loopback
        found: bytes = answer.read()
        return found
