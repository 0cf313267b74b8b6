"""`./run bench edge`, `./run bench services`: run everything and write the report to docs/bench/; `report`: make the
reports anew from their JSON. `./run bench traces` prints what tracing costs."""

import argparse
import json
import signal
import subprocess
import sys
from pathlib import Path

from bench import traces
from bench.run import Wanted, run
from bench.suites import SUITES
from confer_ops.checkout import root
from confer_ops.trouble import Trouble


def main() -> None:
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__)
    parser.add_argument("what", choices=[*SUITES, "traces", "report"])
    parser.add_argument("--repetitions", type=int, default=3, help="of everything (3)")
    parser.add_argument("--quick", action="store_true", help="a trial: short, small, one repetition, no report")
    parser.add_argument("--only", default="", help="keys of scenarios, separated by commas; no report")
    parser.add_argument("--minutes", type=float, default=45, help="nothing new is begun after that many (45)")
    parser.add_argument("--raw", type=Path, help="also write the raw results to this file")
    asked = parser.parse_args()
    folder = root() / "docs" / "bench"
    if asked.what == "report":
        for suite in SUITES.values():
            _say(suite.report.remake(folder))
        return
    if asked.what == "traces":
        traces.main(quick=asked.quick, raw=asked.raw)
        return
    suite = SUITES[asked.what]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    only = tuple(key for key in asked.only.split(",") if key)
    try:
        results = run(suite, Wanted(1 if asked.quick else asked.repetitions, asked.quick, only, asked.minutes))
    except (Trouble, subprocess.CalledProcessError) as trouble:
        sys.exit(f"bench: {trouble}")
    except KeyboardInterrupt:
        sys.exit(130)
    if asked.raw:
        asked.raw.write_text(json.dumps(results, indent=1) + "\n")
    if asked.quick or only:
        print("\n".join(suite.only_table(results)))
    else:
        _say(suite.report.write(folder, results))


def _say(written: list[Path]) -> None:
    for path in written:
        print(f"wrote {path.relative_to(root())}")


if __name__ == "__main__":
    main()
