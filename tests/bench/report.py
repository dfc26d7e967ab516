"""The table, the targets, and whether they are met."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.bench.measurement import Measurement, ratio, typical

HEAD = (
    "scenario",
    "server",
    "requests/s",
    "p50 ms",
    "p99 ms",
    "server CPU ms/request",
    "peak RSS MiB",
    "RSS at end MiB",
    "load generator, cores",
    "clip-in against it",
)


@dataclass
class Report:
    """Results of all scenarios."""

    rows: list[tuple[str, ...]] = field(default_factory=list)
    targets: list[tuple[str, str, bool]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, scenario: str, found: Mapping[str, Sequence[Measurement]], ours: str = "clip-in") -> None:
        """Adds rows of a comparison: medians over the rounds, and ratios paired within each round."""
        for name, rounds in found.items():
            m = typical(rounds)
            numbers = [
                _number(m.per_second, 1),
                _number(m.p50_ms, 2),
                _number(m.p99_ms, 2),
                _number(m.cpu_ms, 3),
                _number(m.peak_mib, 0),
                _number(m.end_mib, 0),
                _number(m.client_share, 2),
            ]
            against = "" if name == ours or ours not in found else f"{ratio(found[ours], rounds):.2f} x"
            self.rows.append((scenario, name, *numbers, against))

    def at_least(self, scenario: str, what: str, value: float, least: float) -> None:
        """Adds a target with a minimum."""
        self._target(scenario, f"{what}: {value:.3g}, at least {least:.3g} wanted", value >= least)

    def at_most(self, scenario: str, what: str, value: float, most: float) -> None:
        """Adds a target with a maximum."""
        self._target(scenario, f"{what}: {value:.4g}, at most {most:.4g} wanted", value <= most)

    def failed(self, scenario: str, reason: str) -> None:
        """Adds a scenario that could not be measured; it counts as a missed target."""
        self._target(scenario, reason, False)

    def note(self, scenario: str, text: str) -> None:
        """Adds a note beside the table."""
        self.notes.append(f"{scenario}: {text}")
        print(f"  {text}", flush=True)

    def all_met(self) -> bool:
        """Whether a benchmark may exit with status 0."""
        return all(met for _, _, met in self.targets)

    def markdown(self, machine: str) -> str:
        """The complete report as Markdown."""
        parts = [machine, table(HEAD, self.rows)] if self.rows else [machine]
        if self.targets:
            verdicts = [
                (scenario, text, "met" if met else "**MISSED**") for scenario, text, met in self.targets
            ]
            parts.append(table(("scenario", "target", ""), verdicts))
        if self.notes:
            parts.append("\n".join(f"- {note}" for note in self.notes))
        return "\n\n".join(parts) + "\n"

    def _target(self, scenario: str, text: str, met: bool) -> None:
        self.targets.append((scenario, text, met))
        print(f"  {'met' if met else 'MISSED'}: {text}", flush=True)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with aligned columns."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"

    return "\n".join([line(head), line(["-" * width for width in widths]), *map(line, rows)])


def _number(value: float, digits: int) -> str:
    return "" if math.isnan(value) else f"{value:.{digits}f}"
