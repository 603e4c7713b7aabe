"""Practice competitions: ordinary Kaggle files, and beside them a solution that only the local judge reads.

data/<slug>/raw/train.csv  test.csv  sample_submission.csv
data/<slug>/solution.csv   id, target, usage (Public or Private) and, where it is known, best (the best prediction)
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import ConfigError, nearest
from pipeline.targets import names_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from pipeline.workspace import Workspace

SOLUTIONS_OWN = ("usage", "best")
"""Columns of solution.csv beside id and target."""

SLUGS = ("practice-houses", "practice-diabetes", "practice-breast-cancer", "practice-digits")


@dataclass(frozen=True)
class Competition:
    """The four tables of a practice competition."""

    train: pd.DataFrame
    test: pd.DataFrame
    sample: pd.DataFrame
    solution: pd.DataFrame


def provide(workspace: Workspace, slug: str) -> bool:
    """Write a practice competition where the workspace looks for it; say whether anything had to be written.

    Another competition's slug, and files that are there already, are left alone.
    """
    raw, solution = workspace.raw_folder(slug), workspace.solution(slug)
    if slug not in SLUGS or (raw.is_dir() and solution.is_file()):
        return False
    publish(build(slug), raw, solution)
    return True


def build(slug: str) -> Competition:
    """Make the tables of a practice competition, the same ones every time."""
    if slug == "practice-houses":
        from pipeline.practice.houses import N_TRAIN, make_houses

        rows, best = make_houses()
        return split(rows, "Id", "SalePrice", rows.index < N_TRAIN, best=best)
    from pipeline.practice.bundled import LOADERS, half

    if slug not in LOADERS:
        raise ConfigError(f"no practice competition is called '{slug}'", hint=nearest(slug, SLUGS))
    rows, target, sample_value = LOADERS[slug]()
    return split(rows, "id", target, half(slug, rows, target), sample_value=sample_value)


def publish(competition: Competition, raw: Path, solution: Path) -> None:
    """Write a competition's files: aside first, then renamed, so that a kill leaves nothing that looks complete."""
    aside = raw.with_name(f".{raw.name}-{os.getpid()}")
    try:
        aside.mkdir(parents=True, exist_ok=True)
        solution.parent.mkdir(parents=True, exist_ok=True)
        _write_csv(competition.train, aside / "train.csv")
        _write_csv(competition.test, aside / "test.csv")
        _write_csv(competition.sample, aside / "sample_submission.csv")
        _write_csv(competition.solution, aside / "solution.csv")
        shutil.move(aside / "solution.csv", solution)
        _rename(aside, raw)
    except PermissionError as error:
        hint = "practice competitions need a writable folder: leave the raw root unset"
        raise ConfigError(f"{raw} cannot be written: {error.strerror}", hint=hint) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _rename(aside: Path, raw: Path) -> None:
    """Put the folder in place; files of an earlier, incomplete attempt are replaced one by one."""
    try:
        aside.rename(raw)
    except OSError:
        for file in sorted(aside.iterdir()):
            file.replace(raw / file.name)


def _write_csv(frame: pd.DataFrame, path: Path) -> None:
    frame.to_csv(path, index=False, na_rep="NA", lineterminator="\n")


def split(
    rows: pd.DataFrame,
    id_column: str,
    target: str | list[str],
    is_train: np.ndarray | pd.Series,
    *,
    best: pd.Series | None = None,
    sample_value: object = None,
) -> Competition:
    """Part labelled rows into train and test; half of the test rows, drawn at random, are judged in public.

    sample_value: what the sample submission predicts for every row, by column if there are several; without it, the
    median of train.
    """
    import numpy as np
    import pandas as pd

    from pipeline.seeds import derive

    train, test, targets = rows[is_train], rows[~is_train], names_of(target)
    filler = train[target].median() if sample_value is None else sample_value
    public = np.random.default_rng(derive(0, "usage", *targets, len(test))).permutation(len(test)) < len(test) // 2
    solution = test[[id_column, *targets]].assign(usage=np.where(public, "Public", "Private"))
    if best is not None:
        solution = solution.assign(best=best[~is_train])
    values = filler if isinstance(filler, dict) else dict.fromkeys(targets, filler)
    sample = pd.DataFrame({id_column: test[id_column]} | values)
    return Competition(train, test.drop(columns=targets), sample, solution)
