"""`./run chaos`: the long form of the storm that `./run test` blows for a minute."""

import argparse
import asyncio
import random
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from confer_kit import clock, logs
from confer_kit.testing.chaos.crowd import Verdict
from confer_kit.testing.chaos.storm import FAULTS_FOR_LONG, storm
from confer_kit.testing.javascript import node as started
from confer_ops import node
from confer_ops.checkout import root

SEEDS = 1_000_000


def options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./run chaos", description="Break everything; then compare with the log.")
    parser.add_argument("--minutes", type=float, default=10, help="how long things go on breaking (10)")
    parser.add_argument("--seed", type=int, help="repeat the order of an earlier run; none: any")
    parser.add_argument("--clients", type=int, default=12, help="Python clients, all of which write (12)")
    parser.add_argument("--servers", type=int, choices=(1, 3), default=1, help="NATS servers (1), or 3 as a cluster")
    parser.add_argument("--quick", action="store_true", help="faults last for seconds instead of up to a minute")
    return parser.parse_args(arguments)


def driver(checkout: Path) -> tuple[Path, Path] | None:
    """Where Node and the JavaScript clients are; None, said aloud: left out."""
    tools, folder = node.find(checkout), checkout / "tests" / "e2e" / "js"
    try:
        if tools is not None:
            node.npm_ci(tools, folder)
            return tools, folder
        why = f"no Node {node.WANTED} here"
    except (OSError, subprocess.SubprocessError) as error:
        why = f"its packages could not be installed: {error}"
    print(f"left out: the JavaScript clients ({why})", flush=True)
    return None


async def blow(wanted: argparse.Namespace, seed: int) -> Verdict:
    found = driver(root())
    async with AsyncExitStack() as stack:
        pages = await stack.enter_async_context(started(found[1], found[0])) if found is not None else None
        blowing = await stack.enter_async_context(
            storm(
                seed=seed, people=wanted.clients, node=pages, clustered=wanted.servers > 1, long=not wanted.quick,
                say=say,
            )
        )  # fmt: skip
        say(f"{len(blowing.members)} clients are in, {len(blowing.writers)} of them write")
        await blowing.blow(FAULTS_FOR_LONG[wanted.servers > 1], until=clock.now() + 60 * wanted.minutes)
        say("quiet; comparing")
        verdict = await blowing.verdict()
        if verdict.problems:
            raise SystemExit(table(verdict, seed))
        return verdict


def table(verdict: Verdict, seed: int) -> str:
    """Every count, and what is wrong."""
    shown = {**dict.fromkeys(("doubles", "gaps", "acknowledged, not in the log once"), 0), **verdict.counts}
    lines = [f"{name:<36}{count:>10}" for name, count in shown.items()]
    good = "every client got what the log says" if not verdict.problems else f"{len(verdict.problems)} problems"
    return "\n".join(["", *lines, "", *verdict.problems, f"{good}  (seed {seed})"])


def say(text: str) -> None:
    print(text, flush=True)


def main() -> None:
    wanted = options(sys.argv[1:])
    seed = random.randrange(SEEDS) if wanted.seed is None else wanted.seed  # noqa: S311 - told, to be repeated
    logs.configure("chaos", "error", "text")
    say(f"seed {seed}")
    try:
        print(table(asyncio.run(blow(wanted, seed)), seed))
    except AssertionError as failure:
        sys.exit(f"chaos: {failure}  (seed {seed})")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
