"""What a process shows at /metrics, parsed as Prometheus parses it."""

from prometheus_client.parser import text_string_to_metric_families


class Metrics:
    """One scrape of `process`."""

    def __init__(self, process: str, text: str) -> None:
        self.process = process
        self.families = {family.name: family for family in text_string_to_metric_families(text)}
        self._samples = [sample for family in self.families.values() for sample in family.samples]

    def value(self, name: str, **labels: str) -> float:
        """The sum of the samples of this name with these labels, among others; 0 where there are none."""
        return sum(s.value for s in self._samples if s.name == name and labels.items() <= s.labels.items())
