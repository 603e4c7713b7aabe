"""Every error a user can cause, as one tree; each message says what was found, expected, where, and what to do.

PipelineError
├── ConfigError     a TOML file, a command-line value or an unknown name
├── DataError       a competition's raw files
├── FeatureError    the competition's own features.py, metric.py or postprocess.py
├── LeakError       the leak audit found labels where none may be
├── ModelError      a model could not be fitted or gave unusable predictions
├── StoreError      the cache: not writable, not deterministic
│   └── DamagedError  a result whose bytes are not those that were written; it is set aside
├── ClusterError    the Ray cluster: not there, with other code, or lost
├── SubmissionError predictions that do not fit the sample submission
├── BundleError     a bundle that does not do offline what the run did
├── TrackingError   the MLflow server could not be reached
├── KaggleError     Kaggle refused, or what it sent cannot be used
│   └── UnansweredError  Kaggle could not be reached, or was busy: what became of the request is not known
└── Interrupted     Ctrl-C; what is done is kept
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class PipelineError(Exception):
    """Base of every error shown to a user as one message, without a traceback; exit_code is the command's."""

    exit_code = 2

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class ConfigError(PipelineError):
    """Exception for a configuration or command-line value that cannot be used."""


class DataError(PipelineError):
    """Exception for raw files that are not what the competition says they are."""


class FeatureError(PipelineError):
    """Exception for a feature function that fails or breaks its contract."""


class LeakError(PipelineError):
    """Exception for a score that the leak audit says is not to be trusted."""

    exit_code = 1  # what was asked for has been made: it is the verdict that fails


class ModelError(PipelineError):
    """Exception for a model that cannot be fitted on this data."""


class StoreError(PipelineError):
    """Exception for a cache that cannot be written or contradicts itself."""


class DamagedError(StoreError):
    """Exception for a result whose bytes changed after it was written."""


class ClusterError(PipelineError):
    """Exception for a Ray cluster that cannot be used, or that lost what it was given."""


class SubmissionError(PipelineError):
    """Exception for predictions that do not fit the form of the sample submission."""


class BundleError(PipelineError):
    """Exception for a bundle that fails offline, needs too much memory, or predicts something else than the run."""


class TrackingError(PipelineError):
    """Exception for an MLflow server that does not answer."""


class KaggleError(PipelineError):
    """Exception for what Kaggle refused; the hint has the page to open. status: of HTTP, 0 where there was none."""

    def __init__(self, message: str, *, hint: str = "", status: int = 0) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class UnansweredError(KaggleError):
    """Exception for a request that Kaggle may or may not have acted on; wait_seconds: what it asked for, if at all."""

    def __init__(self, message: str, *, hint: str = "", wait_seconds: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.wait_seconds = wait_seconds


class Interrupted(PipelineError):  # noqa: N818 - stopping is no error
    """Exception for a run that its user stopped; the shell's exit code for Ctrl-C is 130."""

    exit_code = 130


def refusal(error: OSError) -> str:
    """Return what the operating system refused and why, without its error number."""
    return f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return "did you mean X?" and the known names, for the hint of an unknown-name error."""
    known, wanted = sorted(known), name.lower()
    right = {other.lower(): other for other in known}
    swapped = [other for other in right if sorted(other) == sorted(wanted)]  # the usual slip; difflib takes it for two
    close = swapped or difflib.get_close_matches(wanted, right, n=1, cutoff=0.5)
    guess = f"did you mean '{right[close[0]]}'? " if close else ""
    return f"{guess}known: {', '.join(known) or 'none'}"
