"""The sections of both TOML files but for those of models: what each may state, and what it defaults to."""

from __future__ import annotations

from itertools import combinations
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class Section(BaseModel):
    """A part of a TOML file: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


OtherExperiment = Annotated[str, Field(pattern=r"^[^/]+(/[^/]+)?$")]


Cells = Annotated[list[str | int | float], Field(min_length=1)]


class Files(Section):
    """Names of the raw files, below the competition's raw folder; `sample = ""` where there is none."""

    train: str = Field("train.csv", min_length=1)
    test: str = Field("test.csv", min_length=1)
    sample: str = "sample_submission.csv"


class Columns(Section):
    """Overrides of the column kinds that ingest infers."""

    numeric: list[str] = []
    categorical: list[str] = []
    date: list[str] = []
    text: list[str] = []
    drop: list[str] = []

    @model_validator(mode="after")
    def _one_kind_each(self) -> Columns:
        kinds = {"numeric": self.numeric, "categorical": self.categorical, "date": self.date, "text": self.text}
        for (kind, names), (other, others) in combinations(kinds.items(), 2):
            if both := [name for name in names if name in others]:
                raise ValueError(f"{both[0]!r} stands under {kind} and under {other}")
        return self


class Preprocess(Section):
    """Row-local preprocessing: which of the competition's own features, and what is dropped."""

    features: Literal["all", "none"] | list[str] = "all"
    drop_constant: bool = True
    drop_duplicate: bool = True


class Extra(Section):
    """Labelled files beside train, in the raw folder: every fold trains on their rows, none validates them.

    weight: what such a row counts beside one of train. copies: what becomes of those that train has, target included.
    """

    files: list[str] = []
    weight: float = Field(1.0, gt=0, allow_inf_nan=False)
    copies: Literal["drop", "keep"] = "drop"


class Pseudo(Section):
    """Test rows are labelled by each fold's own models, and learnt from in that fold when it is fitted once more.

    confidence: of classes, the probability from which on a row is labelled. weight: of such a row beside one of train.
    """

    confidence: float = Field(0.9, gt=0, le=1)
    weight: float = Field(1.0, gt=0, allow_inf_nan=False)


class Split(Section):
    """How rows are cut into folds; `options` belong to the splitter."""

    kind: str = "kfold"
    n_folds: int = Field(5, ge=2)
    repeats: int = Field(1, ge=1)
    seed: int = 0
    options: dict[str, Any] = {}


class Tune(Section):
    """How long and how models with a search space are tuned.

    repeats: of the folds that judge a trial. rungs: shares of a training at which trials are compared, 1.0 for the end
    of the first repeat ("auto": that, or without repeats the model's own); the best 1 in `reduction` of them go on.
    start_from: experiments ("name", or "slug/name" of another competition) whose best trials are tried first.
    """

    trials: int = Field(20, ge=0)
    wave: int = Field(10, ge=1)
    repeats: int = Field(1, ge=1)
    sampler: Literal["tpe", "gp", "random"] = "tpe"
    rungs: Literal["auto"] | list[Annotated[float, Field(gt=0, le=1)]] = "auto"
    reduction: int = Field(2, ge=2)
    start_from: list[OtherExperiment] = []

    @field_validator("rungs")
    @classmethod
    def _ascending(cls, rungs: Any) -> Any:
        if rungs != "auto" and rungs != sorted(set(rungs)):
            raise ValueError("shares must ascend")
        return rungs

    @model_validator(mode="after")
    def _repeats_if_the_first_is_a_rung(self) -> Tune:
        if self.rungs != "auto" and self.rungs[-1:] == [1.0] and self.repeats == 1:
            raise ValueError("a rung at 1.0, the end of the first repeat, needs repeats = 2 or more")
        return self


class Ensemble(Section):
    """How the entries of the library are blended; `options` belong to the blender.

    calibration: of the blend's probabilities, by one number, or after it by curves.
    """

    kind: str = "shrunk"
    calibration: Literal["temperature", "isotonic"] = "temperature"
    options: dict[str, Any] = {}


class Submit(Section):
    """What becomes of predictions before they are submitted, and of out-of-fold predictions before they are scored.

    clip: the lowest and the highest value, or "train", those of the target. round: to multiples of it. postprocess:
    whether the competition's postprocess.py, where there is one, comes last.
    """

    clip: Annotated[list[float], Field(min_length=2, max_length=2)] | Literal["train"] | None = None
    round: float | None = Field(None, gt=0, allow_inf_nan=False)
    postprocess: bool = True

    @field_validator("clip")
    @classmethod
    def _ascending(cls, clip: Any) -> Any:
        if isinstance(clip, list) and not clip[0] < clip[1]:
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
