"""make bench-rivals: our TabM and RealMLP against the packages of their authors: same rows, folds, epochs and recipe.

Needs `pip install -c constraints.txt tabm pytabkit` (what `make bench-rivals` does). House Prices, five folds, both
sides keep the epoch that is best on the fold, so errors are for comparison alone. Results land in
tests/benchmarks/results/: rivals.json and rivals.md.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import sys
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import torch

from pipeline.core.blocks import Architecture
from pipeline.core.fused import train
from pipeline.core.members import EncodedRows, Member, Program, View
from pipeline.metrics import rmse
from pipeline.models import realmlp
from pipeline.types import STOP, TRAIN, VALID, Folds, Metric, Table, Task
from tests.benchmarks.loops import N_FOLDS, RAW, Part, folds
from tests.benchmarks.machine import machine
from tests.benchmarks.turns import interleaved, publish, table
from tests.heard import Heard

THREADS = 2
REPEATS = 5
ASKED = 2.0
BATCH = 256
TABM = {"k": 32, "width": 128, "depth": 2, "dropout": 0.1, "lr": 2e-3, "weight_decay": 3e-4}


def main() -> None:
    """Measure, print, and write unless it was a quick look."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer epochs; nothing is written")
    quick = parser.parse_args().quick
    if not (RAW / "train.csv").is_file():
        sys.exit(f"{RAW / 'train.csv'} is not there; put House Prices' files into {RAW}")
    warnings.filterwarnings("ignore")  # Lightning's advice about data loaders
    for name in ("pytorch_lightning", "lightning.pytorch", "pytorch_lightning.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)
    torch.set_num_threads(THREADS)
    repeats, tabm_epochs, realmlp_epochs = (2, 4, 16) if quick else (REPEATS, 20, 128)
    found = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine() | {"threads": THREADS, "torch": torch.__version__},
        "pairs": {
            f"TabM, {tabm_epochs} epochs": interleaved(_tabm(tabm_epochs), repeats),
            f"RealMLP-TD, {realmlp_epochs} epochs": interleaved(_realmlp(realmlp_epochs), repeats),
        },
    }
    text = _markdown(found)
    if not quick:
        publish("rivals", found, text)
    print(text)  # noqa: T201 - this is what the command is for


def _tabm(epochs: int) -> dict[str, Callable[[int], float]]:
    """TabM on one-hot rows: all folds fused, and the loop of the package's own example, fold by fold."""
    parts = folds()
    network = Architecture(1, (TABM["width"],) * TABM["depth"], k=TABM["k"])
    program = Program(network, "squared", epochs, BATCH, init="torch")

    def fused(seed: int) -> float:
        members = [
            Member(fold, seed * N_FOLDS + fold, TABM["lr"], TABM["weight_decay"], TABM["dropout"])
            for fold in range(N_FOLDS)
        ]
        views = [View(_rows(part.X, part.y), (_rows(part.X_valid, part.y_valid),)) for part in parts]
        return statistics.mean(np.sqrt(member.losses[:, 1].min()) for member in train(program, members, views))

    def package(seed: int) -> float:
        torch.manual_seed(seed)
        return statistics.mean(_tabm_loop(part, epochs) for part in parts)

    return {"package tabm": package, "fused": fused}


def _rows(X: torch.Tensor, y: torch.Tensor) -> EncodedRows:
    return EncodedRows(X, torch.zeros(len(X), 0, dtype=torch.int64), y)


def _tabm_loop(part: Part, epochs: int) -> float:
    from tabm import TabM

    net = TabM.make(
        n_num_features=part.X.shape[1],
        d_out=1,
        k=TABM["k"],
        n_blocks=TABM["depth"],
        d_block=TABM["width"],
        dropout=TABM["dropout"],
    )
    optimiser = torch.optim.AdamW(net.parameters(), lr=TABM["lr"], weight_decay=TABM["weight_decay"], fused=True)
    best = np.inf
    for _ in range(epochs):
        net.train()
        for rows in torch.randperm(len(part.X)).split(BATCH):
            optimiser.zero_grad()
            output = net(part.X[rows])
            torch.nn.functional.mse_loss(output.flatten(0, 1), part.y[rows].repeat_interleave(TABM["k"], 0)).backward()
            optimiser.step()
        net.eval()
        with torch.no_grad():
            best = min(best, float((net(part.X_valid).mean(1) - part.y_valid).square().mean().sqrt()))
    return best


def _realmlp(epochs: int) -> dict[str, Callable[[int], float]]:
    """RealMLP-TD on the columns as they come: our whole cross-fit, and theirs with its folds as one network."""
    columns, target, chunks = _house_prices()
    role = np.full((1, N_FOLDS, len(target)), TRAIN, dtype=np.int8)
    for fold, chunk in enumerate(chunks):
        role[0, fold, chunk] = VALID
        role[0, fold, chunks[fold - 1][:50]] = STOP  # trained on all the same: both sides stop on the fold
    ids = np.arange(len(target))
    task = Task("regression", Metric.from_module(rmse))
    ours = Table(task, columns, columns, target, ids, ids)
    recipe = realmlp.Recipe(epochs=epochs, n_seeds=1, stop_on="fold", patience=None, target="standardise")

    def fused(seed: int) -> float:
        entry = realmlp.cross_fit({"realmlp": recipe}, ours, Folds(role), seed=seed, log=Heard())["realmlp"]
        return float(entry.fold_errors.mean())

    def package(seed: int) -> float:
        from pytabkit import RealMLP_TD_Regressor

        model = RealMLP_TD_Regressor(
            device="cpu", random_state=seed, n_cv=N_FOLDS, n_epochs=epochs, n_threads=THREADS, val_metric_name="rmse"
        )
        model.fit(columns, target, val_idxs=np.stack(chunks))
        predicted = np.asarray(model.predict_ensemble(columns)).reshape(N_FOLDS, -1)
        errors = [predicted[fold, chunk] - target[chunk] for fold, chunk in enumerate(chunks)]
        return statistics.mean(float(np.sqrt(np.mean(error**2))) for error in errors)

    return {"package pytabkit, n_cv=5": package, "fused": fused}


def _house_prices() -> tuple[pd.DataFrame, np.ndarray, list[np.ndarray]]:
    """Return columns, log prices, and five chunks of 292 rows: the package wants folds of equal size."""
    train = pd.read_csv(RAW / "train.csv").drop(columns="Id")
    target = np.log(train.pop("SalePrice").to_numpy())
    numeric = train.select_dtypes("number").astype("float64")
    numeric = numeric.fillna(numeric.median())
    text = train.select_dtypes(exclude="number").fillna("missing").astype("category")
    chunks = np.array_split(np.random.default_rng(0).permutation(len(train)), N_FOLDS)
    return pd.concat([numeric, text], axis=1), target, chunks


def _markdown(found: dict[str, Any]) -> str:
    on, rows = found["machine"], []
    for pair, contenders in found["pairs"].items():
        fused = contenders["fused"]["seconds"]
        for name, own in contenders.items():
            ratio, asked = own["seconds"] / fused, "" if name == "fused" else ASKED
            score = f"{own['error']:.4f} ± {own['se']:.4f}" if "se" in own else ""
            rows.append([pair, name, f"{own['seconds']:.1f}", f"{ratio:.2f}", asked, score, f"{own['foreign']:.2f}"])
    return "\n\n".join(
        [
            "# Against the packages of TabM and RealMLP",
            f"`make bench-rivals`, {found['date']}, {on['threads']} of {on['cores']} cores of {on['cpu']}, torch "
            f"{on['torch']}. House Prices, five folds, both keep the epoch that is best on the fold; in turns, warm.",
            table(["model", "by", "seconds", "fused is faster by", "asked", "mean RMSE ± se", "others"], rows),
        ]
    )


if __name__ == "__main__":
    main()
