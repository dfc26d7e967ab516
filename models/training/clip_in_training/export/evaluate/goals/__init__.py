"""What the shipped model has to show: measurements, goals, and whether they are held, as one page."""
