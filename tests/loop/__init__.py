"""A plant in a box: `python -m tests.loop.run` goes from corrections to the next model, with a scripted reviewer."""
