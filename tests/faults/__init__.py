"""What goes wrong in production, under load: `python -m tests.faults.run`."""
