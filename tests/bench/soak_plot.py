"""`soak_plot.py CSV PNG`: plots the server's resources over time. Runs in the bench environment with matplotlib."""

import csv
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

PANELS = {
    "rss_mib": "resident memory, MiB",
    "cache_mib": "cache of texts, MiB",
    "descriptors": "descriptors",
    "threads": "threads",
}


def main() -> None:
    """Draws one panel per column."""
    table, plot = sys.argv[1:]
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    minutes = [float(row["minutes"]) for row in rows]
    figure, all_axes = plt.subplots(len(PANELS), figsize=(8, 7), layout="constrained", sharex=True)
    for axes, (column, label) in zip(all_axes, PANELS.items(), strict=True):
        axes.plot(minutes, [float(row[column]) for row in rows], linewidth=1.2)
        axes.set(ylabel=label, xlim=(0, None), ylim=(0, None))
        axes.grid(alpha=0.3)
    all_axes[-1].set_xlabel("minutes")
    figure.savefig(plot, dpi=120)


if __name__ == "__main__":
    main()
