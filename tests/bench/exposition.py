"""The server's metrics, as far as a benchmark uses them."""

from dataclasses import dataclass

from tests.bench.servers import Server


@dataclass(frozen=True)
class Counters:
    """Values of /metrics at one moment; subtract two to get the difference."""

    values: dict[str, float]

    @classmethod
    def of(cls, server: Server) -> "Counters":
        """Reads them."""
        values = {}
        for line in server.get("/metrics").splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                values[name] = float(value)
        return cls(values)

    def __sub__(self, earlier: "Counters") -> "Counters":
        return Counters({name: value - earlier.values.get(name, 0) for name, value in self.values.items()})

    def total(self, histogram: str, labels: str = "") -> float:
        """Sum of a histogram's observations, such as seconds."""
        return self.values.get(f"{histogram}_sum{labels}", 0.0)

    def count(self, histogram: str, labels: str = "") -> float:
        """Number of its observations."""
        return self.values.get(f"{histogram}_count{labels}", 0.0)

    def mean(self, histogram: str, labels: str = "") -> float:
        """Their mean."""
        return self.total(histogram, labels) / max(1.0, self.count(histogram, labels))
