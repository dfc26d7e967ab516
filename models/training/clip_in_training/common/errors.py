"""Errors that a user can correct; the command line prints each of them as one line.

They are defined apart from the code that raises them, so that the command line can import them without loading
PyTorch.
"""


class DataError(RuntimeError):
    """The training data cannot be used; the message says what to do."""


class CheckpointError(RuntimeError):
    """A checkpoint cannot be used; the message says why."""


class BackboneError(RuntimeError):
    """The pre-trained model is not available or cannot be used in this way; the message says why and what to do."""


class TrainingError(RuntimeError):
    """Training cannot continue; the message names the step."""


class ExportError(RuntimeError):
    """The bundle was not written; the message says why and what to do."""
