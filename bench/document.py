"""A report: raw JSON as it was measured; page and chart are made from it, here and in a contract test."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.rows import Results, Row, Target, ratio


@dataclass(frozen=True)
class Report:
    """Files of one name in docs/bench/."""

    name: str
    page: Callable[[Results], str]
    chart: Callable[[Results], str]

    def write(self, folder: Path, results: Results) -> list[Path]:
        """The raw results and what is made from them."""
        folder.mkdir(parents=True, exist_ok=True)
        source = self._source(folder)
        source.write_text(raw(results))
        return [source, *self.remake(folder)]

    def remake(self, folder: Path) -> list[Path]:
        made = self.files(folder)
        for path, text in made.items():
            path.write_text(text)
        return list(made)

    def files(self, folder: Path) -> dict[Path, str]:
        """What must stand beside the raw results in this folder."""
        results = json.loads(self._source(folder).read_text())
        return {folder / f"{self.name}.md": self.page(results), folder / f"{self.name}.svg": self.chart(results)}

    def _source(self, folder: Path) -> Path:
        return folder / f"{self.name}.json"


def raw(results: Results) -> str:
    """One line per measurement."""
    lines = ",\n".join(f"  {json.dumps(m, ensure_ascii=False)}" for m in results["measurements"])
    recorded = json.dumps(results["recorded"], indent=1, ensure_ascii=False)
    return f'{{"recorded": {recorded},\n"measurements": [\n{lines}\n]}}\n'


def number(value: float) -> str:
    """Three digits that count."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def verdicts(results: Results, row: Row, names: Mapping[str, str]) -> Iterator[str]:
    """How the targets of a row stand."""
    for target in row.targets:
        found = ratio(results, row, target)
        if found is not None:
            yield f"{target.text(names)}: **{found:.2f}** {'met' if target.met(found) else '**missed**'}"
    for server in row.beside:
        found = ratio(results, row, Target(server, 1.0))
        if found is not None:
            yield f"{found:.2f} × {names[server]}'s, which does less"


_WHERE = {
    True: "the server on a core of its own",
    False: "the server on the same core as everything else",
    None: "every process on any core",
}


def recorded(results: Results) -> list[str]:
    """When, on what, of which state, and what else the machine was doing."""
    run = results["recorded"]
    machine = run["machine"]
    where = _WHERE[machine.get("server_on_a_core_of_its_own")]
    load = " and ".join(" / ".join(map(str, run[when])) for when in ("load_before", "load_at_the_end"))
    versions = ", ".join(f"{name} {value}" for name, value in run["versions"].items())
    trial = "A trial run, " if run["quick"] else ""
    return [
        f"{trial}{run['date']}, commit {run['commit']}: {machine['processor']}, {machine['cores']} cores, "
        f"{machine['memory_gb']} GB, Linux {machine['kernel']}; {where}. Load average before and at the "
        f"end {load}: above 2 means that others used the machine as well. {versions}.",
    ]
