"""Predictions made elsewhere: matched with our rows, refused with the reason, doubted where they cannot be true."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from heard import Heard
from own_files import write_own
from small_folds import shuffled

from pipeline.errors import ConfigError, ModelError
from pipeline.metrics import log_loss, rmse
from pipeline.models import own
from pipeline.models._own_entry import UNCOMPARED
from pipeline.types import CrossFit, Folds, Metric, Table, Task

N, N_TEST = 400, 200
CLASSES = {"regression": (), "binary": ("no", "yes"), "multiclass": ("a", "b", "c")}


def folds(n_repeats: int = 1, *, all_covered: bool = True) -> Folds:
    return shuffled(N, repeats=n_repeats, uncovered=0 if all_covered else 10)


def table(kind: str = "regression", ids: str = "numbers") -> Table:
    generator = np.random.default_rng(0)
    signal = generator.normal(size=N)
    target = signal + 0.5 * generator.normal(size=N)
    classes = CLASSES[kind]
    if classes:
        target = np.digitize(target, np.quantile(target, np.arange(1, len(classes)) / len(classes)))
    X = pd.DataFrame({"x": np.concatenate([signal, generator.normal(size=N_TEST)])})
    labels = np.arange(N + N_TEST) + 1_000 if ids == "numbers" else np.array([f"row {i}" for i in range(N + N_TEST)])
    task = Task(kind, Metric.from_module(log_loss if classes else rmse), classes)  # type: ignore[arg-type]
    return Table(task, X[:N], X[N:].reset_index(drop=True), target, labels[:N], labels[N:])


def honest(data: Table, seed: int = 1, split: Folds | None = None) -> CrossFit:
    """What somebody predicts who knows a little of the signal and nothing of the targets."""
    split = split or folds()
    noise = np.random.default_rng(seed).normal(size=N + N_TEST) * 0.1
    known = np.concatenate([data.train["x"], data.test["x"]]) + noise
    return entry(data, known, split)


def entry(data: Table, known: np.ndarray, split: Folds) -> CrossFit:
    n_outputs = data.task.n_outputs
    if n_outputs == 1:
        predicted = known[:, None]
    else:
        steps = np.exp(np.outer(known, 3.0 * np.arange(n_outputs)))
        predicted = steps / steps.sum(axis=1, keepdims=True)
    oof = np.where(split.covered[:, :, None], predicted[None, :N], np.nan)
    errors = split.errors(data.task.metric, data.target, oof)
    return CrossFit(oof, predicted[N:], errors, errors, errors, "none")


def bring(
    folder: Path, data: Table, made: CrossFit, split: Folds | None = None, others: Any = None, **settings: Any
) -> CrossFit:
    split = split or folds()
    files = {role: folder / f"{role}.csv" for role in ("oof", "test")}
    if not files["oof"].exists():
        write_own(folder, made, data, split)
    how = {"files": files, "id_name": "id", "others": others or {}}
    return own.cross_fit({"mine": own.Recipe(**settings)}, data, split, seed=0, log=Heard(), **how)["mine"]


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("ids", ["numbers", "words"])
def test_what_was_predicted_elsewhere_is_taken_as_it_is(tmp_path: Path, kind: str, ids: str) -> None:
    data, split = table(kind, ids), folds(n_repeats=2, all_covered=False)
    made = honest(data, split=split)
    found = bring(tmp_path, data, made, split)
    np.testing.assert_allclose(found.oof, made.oof)
    np.testing.assert_allclose(found.test, made.test)
    np.testing.assert_allclose(found.fold_errors, made.fold_errors)
    assert found.findings == (UNCOMPARED,)


Edit = Callable[[pd.DataFrame], pd.DataFrame]


def edited(folder: Path, data: Table, role: str, edit: Edit) -> None:
    files = write_own(folder, honest(data), data, folds())
    edit(pd.read_csv(files[role])).to_csv(files[role], index=False)


def test_order_and_further_rows_do_not_matter(tmp_path: Path) -> None:
    data = table()
    edited(tmp_path, data, "oof", lambda rows: pd.concat([rows, rows[:1].assign(id=5)])[::-1])
    np.testing.assert_allclose(bring(tmp_path, data, honest(data)).oof, honest(data).oof)


def test_parquet_is_read_as_well(tmp_path: Path) -> None:
    data = table("multiclass", "words")
    files = write_own(tmp_path, honest(data), data, folds())
    for role, path in files.items():
        pd.read_csv(path).to_parquet(tmp_path / f"{role}.parquet")
    moved = {role: path.with_suffix(".parquet") for role, path in files.items()}
    how = {"files": moved, "id_name": "id", "others": {}}
    found = own.cross_fit({"mine": own.Recipe()}, data, folds(), seed=0, log=Heard(), **how)["mine"]
    np.testing.assert_allclose(found.oof, honest(data).oof)


def test_of_two_classes_the_last_ones_probability_is_enough(tmp_path: Path) -> None:
    data = table("binary")
    for role in ("oof", "test"):
        path = write_own(tmp_path, honest(data), data, folds())[role] if role == "oof" else tmp_path / "test.csv"
        pd.read_csv(path).drop(columns="no").rename(columns={"yes": "p"}).to_csv(path, index=False)
    np.testing.assert_allclose(bring(tmp_path, data, honest(data)).oof, honest(data).oof)


@pytest.mark.parametrize(
    ("kind", "role", "edit", "said"),
    [
        ("regression", "oof", lambda rows: rows[3:], r"3 of 400 ids \(.*\) are not there"),
        ("regression", "test", lambda rows: rows[:-1], r"1 of 200 ids \(1599\) are not there"),
        ("regression", "oof", lambda rows: pd.concat([rows, rows[:2]]), r"2 ids \(.*\) occur more than once"),
        ("regression", "oof", lambda rows: rows.rename(columns={"id": "Id"}), "no column is called 'id'"),
        ("regression", "oof", lambda rows: rows.assign(more=1.0), "one column of predictions, found prediction, more"),
        ("regression", "oof", lambda rows: rows.replace({1003: np.nan}), "1 rows have no id"),
        ("regression", "test", lambda rows: rows.assign(prediction="high"), "expected numbers"),
        (
            "regression",
            "test",
            lambda rows: rows.assign(prediction=rows["prediction"].where(rows["id"] > 1401)),
            "2 rows",
        ),
        ("multiclass", "oof", lambda rows: rows.rename(columns={"c": "d"}), "one a class"),
        ("multiclass", "oof", lambda rows: rows.assign(c=0.0), "do not sum to 1"),
        ("multiclass", "test", lambda rows: rows.assign(a=-3.0), "below 0 or above 1"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(
    tmp_path: Path, kind: str, role: str, edit: Edit, said: str
) -> None:
    data = table(kind)
    edited(tmp_path, data, role, edit)
    with pytest.raises(ModelError, match=said):
        bring(tmp_path, data, honest(data), trusted=True)


@pytest.mark.parametrize(
    ("name", "said", "hint"),
    [
        ("test.parquet", r"test\.parquet cannot be read as parquet: ", ""),
        ("test.csv", r"test\.csv: .* has a header but no rows", "CSV with a header, as a submission has"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, said: str, hint: str) -> None:
    data = table()
    files = write_own(tmp_path, honest(data), data, folds()) | {"test": tmp_path / name}
    files["test"].write_text("id,prediction\n")
    how = {"files": files, "id_name": "id", "others": {}}
    with pytest.raises(ModelError, match=said) as caught:
        own.cross_fit({"mine": own.Recipe()}, data, folds(), seed=0, log=Heard(), **how)
    assert caught.value.hint == hint


def test_rounded_probabilities_are_put_right(tmp_path: Path) -> None:
    data = table("multiclass")
    edited(tmp_path, data, "test", lambda rows: rows.round(2))
    np.testing.assert_allclose(bring(tmp_path, data, honest(data)).test.sum(axis=1), 1.0)


def test_folds_may_be_numbered_otherwise(tmp_path: Path) -> None:
    data = table()
    edited(tmp_path, data, "oof", lambda rows: rows.assign(fold=rows["fold"].map({0: 3, 1: 1, 2: 4, 3: 2})))
    assert bring(tmp_path, data, honest(data)).findings == (UNCOMPARED,)


def test_other_folds_are_refused_unless_they_are_trusted(tmp_path: Path) -> None:
    data = table()
    edited(tmp_path, data, "oof", lambda rows: rows.assign(fold=np.arange(N) % 4))
    with pytest.raises(ModelError, match=r"folds are not ours: .* of 400 rows") as refused:
        bring(tmp_path, data, honest(data))
    assert "trusted = true" in refused.value.hint
    finding, _ = bring(tmp_path, data, honest(data), trusted=True).findings
    assert finding.startswith("trusted although its folds are not ours")


def test_unknown_folds_are_marked(tmp_path: Path) -> None:
    data = table()
    edited(tmp_path, data, "oof", lambda rows: rows.drop(columns=["fold", "repeat"]))
    assert "folds that are not known" in bring(tmp_path, data, honest(data)).findings[0]
    two = bring(tmp_path, data, honest(data), folds(n_repeats=2))
    np.testing.assert_array_equal(two.oof[0], two.oof[1])
    assert two.findings[1] == "made elsewhere, once for all repeats"


def test_another_number_of_repeats_is_refused(tmp_path: Path) -> None:
    data, two = table(), folds(n_repeats=2)
    write_own(tmp_path, honest(data, split=two), data, two)
    with pytest.raises(ModelError, match="2 repeats, but the split makes 1"):
        bring(tmp_path, data, honest(data))


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("seen", [0.4, 0.8])
def test_who_has_seen_targets_is_found_out(tmp_path: Path, kind: str, seen: float) -> None:
    data, ours = table(kind), {"ours": honest(table(kind), seed=2)}
    made = honest(data)
    truth = np.eye(len(CLASSES[kind]))[data.target] if CLASSES[kind] else data.target[:, None]
    oof = (1 - seen) * made.oof + seen * truth[None]
    made = replace(made, oof=oof, fold_errors=folds().errors(data.task.metric, data.target, oof))
    with pytest.raises(ModelError, match="seems to have seen targets: its gain over 'ours'"):
        bring(tmp_path, data, made, others=ours)
    assert any(
        "although it seems" in found for found in bring(tmp_path, data, made, others=ours, trusted=True).findings
    )


@pytest.mark.parametrize("kind", ["regression", "binary"])
@pytest.mark.parametrize("seed", range(10, 14))
def test_who_knows_more_than_we_do_is_welcome(tmp_path: Path, kind: str, seed: int) -> None:
    """Our entry sees a column blurred that theirs sees as it is, on test rows as well."""
    data = table(kind)
    blur = np.random.default_rng(seed).normal(size=N + N_TEST) * 0.4
    known = np.concatenate([data.train["x"], data.test["x"]])
    ours, theirs = (entry(data, sight, folds()) for sight in ((known + blur) / 1.16, known))
    assert theirs.fold_errors.mean() < ours.fold_errors.mean()
    assert bring(tmp_path, data, theirs, others={"ours": ours}).findings == ()


def test_what_is_far_better_than_all_of_ours_is_refused(tmp_path: Path) -> None:
    data = table()
    known = np.concatenate([data.target, np.random.default_rng(5).normal(size=N_TEST)])
    with pytest.raises(ModelError, match=r"too good to be true: rmse 0.00000, where .* 'ours'"):
        bring(tmp_path, data, entry(data, known, folds()), others={"ours": honest(data)})


@pytest.mark.parametrize(
    ("files", "said"),
    [((), "has no oof.csv or oof.parquet"), (("oof.csv", "oof.parquet"), "both oof.csv and oof.parquet")],
)
def test_a_folder_without_its_files_is_refused_at_once(tmp_path: Path, files: tuple[str, ...], said: str) -> None:
    (tmp_path / "mine").mkdir()
    for name in files:
        (tmp_path / "mine" / name).touch()
    with pytest.raises(ConfigError, match=said):
        own.sources({"folder": ""}, tmp_path, "mine")
