"""What can go wrong in a way that a person can put right; the command line prints these as one line.

They stand apart from the code that raises them, so that the command line knows them without loading PyTorch.
"""


class DataError(RuntimeError):
    """The training data cannot be used; the message says what to do."""


class CheckpointError(RuntimeError):
    """A checkpoint cannot be used; the message says why."""


class BackboneError(RuntimeError):
    """The pre-trained model cannot be had or cannot be used so; the message says why and what to do."""


class TrainingError(RuntimeError):
    """Training cannot go on; the message names the step."""


class ExportError(RuntimeError):
    """The bundle was not written; the message says why and what to do."""
