"""What judges probabilities before labels are decided: until then no model may call a rare class the likeliest."""

from __future__ import annotations

from pipeline.metrics import log_loss
from pipeline.types import Metric


def decides_labels(metric: Metric) -> bool:
    """Say whether labels are decided after models have been blended, in another way than by the likeliest class."""
    return metric.reads == "label" and metric.decision != "plain"


def judge_before(metric: Metric) -> Metric:
    """Return what judges probabilities of which labels are decided later: the log loss.

    It judges calibrated probabilities. Of all else it is the metric itself.
    """
    return Metric.from_module(log_loss) if decides_labels(metric) else metric
