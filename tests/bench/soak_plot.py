"""`soak_plot.py CSV PNG`: resident memory over time. Runs in the bench environment, which has matplotlib."""

import csv
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def main() -> None:
    """Draws the plot."""
    table, plot = sys.argv[1:]
    with open(table, newline="") as file:
        rows = [(float(row["minutes"]), float(row["rss_mib"])) for row in csv.DictReader(file)]
    minutes, mib = zip(*rows, strict=True)
    figure, axes = plt.subplots(figsize=(8, 3.5), layout="constrained")
    axes.plot(minutes, mib, linewidth=1.2)
    axes.set(xlabel="minutes", ylabel="resident memory, MiB", xlim=(0, None), ylim=(0, None))
    axes.grid(alpha=0.3)
    figure.savefig(plot, dpi=120)


if __name__ == "__main__":
    main()
