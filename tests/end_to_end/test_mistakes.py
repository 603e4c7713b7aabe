"""A user's mistake is one readable message with the nearest right spelling and exit code 2, never a traceback."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from shop import SLUG, Shop, make_shop


def refused(shop: Shop, *arguments: str) -> str:
    """Run a command that must be refused; return its message as one line."""
    done = shop.call(*arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("error:") == 1
    return " ".join(done.stderr.split())


def change(shop: Shop, file: str, old: str, new: str) -> None:
    path = shop.folder / "experiments" / SLUG / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "old", "new", "nearest"),
    [
        ("quick.toml", "n_folds", "n_fold", "did you mean 'n_folds'?"),
        ("quick.toml", "[models.mlp]", "[models.mpl]", "did you mean 'mlp'?"),
        ("quick.toml", "n_seeds", "n_seed", "did you mean 'n_seeds'?"),
        ("quick.toml", "epochs = 4", "epochs = -4", "epochs"),
        ("quick.toml", "low = 1e-3", "low = 1.0", "low 1.0 must be below high 0.1"),
        ("quick.toml", "[split]", "[split]\nkind = 'kfolds'", "did you mean 'kfold'?"),
        ("quick.toml", "minutes = 5", "minutes = ", "not valid TOML"),
        ("competition.toml", '"rmse"', '"rmes"', "did you mean 'rmse'?"),
        ("competition.toml", '"rmse"', '"auc"', "task is 'regression'"),
        ("competition.toml", "target =", "targett =", "did you mean 'target'?"),
        ("competition.toml", '"progression"', '"progresion"', "did you mean 'progression'?"),
        ("competition.toml", '"train.csv"', '"trian.csv"', "did you mean 'train.csv'?"),
    ],
)
def test_a_wrong_word_in_a_file(shop: Shop, file: str, old: str, new: str, nearest: str) -> None:
    change(shop, file, old, new)
    message = refused(shop, "ingest", SLUG, "-e", "quick")
    assert nearest in message


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("run", "practice-diabetis"), "did you mean 'practice-diabetes'?"),
        (("run", SLUG, "-e", "quik"), "did you mean 'quick'?"),
        (("plan", "nowhere"), "competition.toml does not exist"),
        (("explain", "nowhere.csv"), "nowhere.csv does not exist"),
        (("new", "nowhere"), "nowhere"),
    ],
)
def test_a_wrong_argument(shop: Shop, arguments: tuple[str, ...], expected: str) -> None:
    assert expected in refused(shop, *arguments)


def test_a_wrong_command_or_option(shop: Shop) -> None:
    for arguments in (("plann",), ("plan", "--experimnt", "x"), ("run", SLUG, "--minutes", "soon")):
        done = shop.call(*arguments)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr


def test_a_cache_that_cannot_be_written(shop: Shop) -> None:
    shop.run("plan", SLUG, "-e", "quick")
    cache = shop.folder / "data" / SLUG / "cache"
    shutil.rmtree(cache, ignore_errors=True)
    cache.write_text("a file where a folder should be")
    assert "choose a writable place" in refused(shop, "ingest", SLUG, "-e", "quick")


def test_raw_files_may_lie_apart_and_read_only(tmp_path: Path) -> None:
    shop = make_shop(tmp_path)
    shop.run("plan", SLUG, "-e", "quick")
    apart = tmp_path / "input" / SLUG
    shutil.copytree(shop.folder / "data" / SLUG / "raw", apart)
    shutil.rmtree(shop.folder / "data" / SLUG / "raw")
    apart.chmod(0o555)
    assert "ingest" in shop.run("--raw", str(tmp_path / "input"), "ingest", SLUG, "-e", "quick")
