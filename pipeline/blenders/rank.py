"""Equal weights of ranks, for metrics of order such as AUC: no entry decides by how far apart it puts its rows.

New rows are ranked against the out-of-fold rows (see _ranks.py), never against each other.
"""

from __future__ import annotations

from pipeline.blenders.mean import Options as Options
from pipeline.blenders.mean import fit_weights as fit_weights

AVERAGES = "ranks"
