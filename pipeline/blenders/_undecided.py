"""What judges probabilities before labels are decided: until then no model may call a rare class the likeliest."""

from __future__ import annotations

from pipeline.metrics import log_loss
from pipeline.types import Metric


def judge_of(metric: Metric) -> Metric:
    """Return the log loss where labels are decided afterwards, in another way than by the likeliest class.

    It judges calibrated probabilities. Of all else it is the metric itself.
    """
    decided = metric.reads == "label" and metric.decision != "plain"
    return Metric.from_module(log_loss) if decided else metric
