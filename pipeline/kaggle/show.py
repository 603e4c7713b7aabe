"""What is printed of a submission's score and of the ledger."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.errors import SubmissionError
from pipeline.kaggle.gains import Gain
from pipeline.kaggle.ledger import ERROR, PENDING, Line
from pipeline.kaggle.refusals import page
from pipeline.report.summary import decimals, number, signed


def print_line(line: Line, slug: str, wait: float, out: Console) -> None:
    """Print what became of a submission; one that Kaggle could not score is a SubmissionError."""
    if line.status == ERROR:
        reason = line.error or "no reason given"
        raise SubmissionError(
            f"Kaggle could not score submission {line.ref}: {reason}",
            hint=f"the file is {line.file}; {page(slug, 'submissions')} has more",
        )
    if line.status == PENDING:
        out.print(f"no score after {wait:g} minutes; submission {line.ref} is in, the same command goes on waiting")
        return
    places = decimals(line.public or 0.0, line.cv_se or math.nan)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column(justify="right")
    grid.add_column()
    if line.cv is not None:
        grid.add_row("CV score", number(line.cv, places), f"± {_shown(line.cv_se, places)}")
    stands = f"rank {line.rank:.0f} of {line.teams:.0f}" if line.rank is not None and line.teams is not None else ""
    grid.add_row("public", _shown(line.public, places), stands)
    if line.private is not None:
        grid.add_row("private", _shown(line.private, places), "")
    out.print(grid)
    out.print(f"next: make ledger COMPETITION={escape(slug)}", style="dim")


def ledger_table(lines: Sequence[Line], judged: Sequence[Gain], metric: str) -> Table:
    """Return the ledger as a table, with the verdict on every gain."""
    verdicts = {gain.line.ref: gain for gain in judged}
    best = max((decimals(line.cv, line.cv_se) for line in lines if line.cv is not None and line.cv_se), default=5)
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0))
    for label in ("sent (UTC)", "experiment"):
        table.add_column(label, overflow="fold")
    for label in (f"CV {metric}", "± se", "public", "private", "rank", "gain"):
        table.add_column(label, justify="right", no_wrap=True)
    table.add_column("verdict")
    for line in lines:
        gain = verdicts.get(line.ref)
        change = "" if gain is None or gain.gain is None else signed(gain.gain, best)
        verdict = line.error or line.status if gain is None else gain.verdict
        scores = (_shown(value, best) for value in (line.cv, line.cv_se, line.public, line.private))
        rank = "" if line.rank is None else f"{line.rank:.0f}"
        table.add_row(line.sent[:16], escape(line.experiment or line.file), *scores, rank, change, escape(verdict))
    return table


def _shown(value: float | None, places: int) -> str:
    return "" if value is None else number(value, places)
