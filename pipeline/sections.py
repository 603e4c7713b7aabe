"""Sections of an experiment's TOML file about rows beside train's, and about what becomes of predictions."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator


class Extra(BaseModel):
    """Labelled files beside train, in the raw folder: every fold trains on their rows, none validates them.

    weight: what such a row counts beside one of train. copies: what becomes of those that train has, target included.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: list[str] = []
    weight: float = Field(1.0, gt=0, allow_inf_nan=False)
    copies: Literal["drop", "keep"] = "drop"


class Submit(BaseModel):
    """What becomes of predictions before they are submitted, and of out-of-fold predictions before they are scored.

    clip: the lowest and the highest value, or "train", those of the target. round: to multiples of it. postprocess:
    whether the competition's postprocess.py, where there is one, comes last.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    clip: tuple[float, float] | Literal["train"] | None = None
    round: float | None = Field(None, gt=0, allow_inf_nan=False)
    postprocess: bool = True

    @field_validator("clip")
    @classmethod
    def _ascending(cls, clip: Any) -> Any:
        if isinstance(clip, tuple) and not clip[0] < clip[1]:
            raise ValueError("the lowest value comes first")
        return clip

    def refusal(self, task: str, submission: str) -> str:
        """Say why the predictions of a task cannot be finished so; nothing where they can."""
        if task == "regression":
            return ""
        if self.round is not None or self.clip == "train":
            return f"{'round' if self.round else 'clip = train'} is for values, but the task has classes"
        if self.clip is not None and submission == "label":
            return "clip is for values and probabilities, but labels are submitted"
        return (
            "clip: probabilities lie between 0 and 1" if self.clip and not 0 <= self.clip[0] < self.clip[1] <= 1 else ""
        )


class Pseudo(BaseModel):
    """Test rows are labelled by each fold's own models, and learnt from in that fold when it is fitted once more.

    confidence: of classes, the probability from which on a row is labelled. weight: of such a row beside one of train.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    confidence: float = Field(0.9, gt=0, le=1)
    weight: float = Field(1.0, gt=0, allow_inf_nan=False)
