"""What a model may ask of the transforms fitted inside each fold: parameters only, no code."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Target = Literal["auto", "none", "standardise", "log1p", "log", "sqrt", "yeo-johnson", "quantile"]


class Encode(BaseModel):
    """How columns become numbers for networks and linear models; everything is fitted on the fold's training rows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    impute: Literal["mean", "median"] = Field("mean", description="what stands in for a missing number")
    indicators: bool = Field(True, description="add a 0/1 column for every number that was missing in fitted rows")
    skew: Literal["none", "yeo-johnson", "log"] = Field("none", description="straighten skewed numbers first")
    scale: Literal["standard", "robust"] = Field(
        "standard", description="mean 0 and deviation 1, or RealMLP's quartile scaling with smooth clipping"
    )
    max_one_hot: int = Field(30, ge=0, description="columns with more levels in the fold go to `many_levels`")
    min_rows: int = Field(1, ge=1, description="levels with fewer fitted rows are grouped as one rare level")
    many_levels: Literal["target", "ordinal", "embedding"] = Field(
        "target", description="out-of-fold target means, positions in sorted order, or codes for an embedding"
    )
    smoothing: float = Field(10.0, ge=0, description="target means: rows' worth of the overall mean mixed in")
