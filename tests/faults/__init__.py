"""Production faults under load: `python -m tests.faults.run`."""
