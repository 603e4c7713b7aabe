"""Workspaces for the end-to-end tests: new, finished, or finished with a copy of the package to edit."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from shop import ROOT, SLUG, SO_FAR, Shop, make_shop

from pipeline.cli import main


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return make_shop(tmp_path)


@pytest.fixture
def call(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command on `shop` in this process, which spares its start; what it does not catch fails the test."""
    environment = shop.environment
    for name in os.environ.keys() - environment.keys():
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(shop.folder)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["pipeline", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, int(end.value.code or 0), said.out, said.err)

    return run


@pytest.fixture(scope="session")
def run_to_its_end(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shop, str]:
    """A workspace with the quick experiment's results, after a run that was killed and one that was not; what it said.

    Read-only by agreement.
    """
    shop = make_shop(tmp_path_factory.mktemp("finished"))
    left = shop.folder / "submissions" / SLUG / SO_FAR
    left.parent.mkdir(parents=True)
    left.write_text("left by a run that was killed", encoding="utf-8")
    done = shop.call("run", SLUG, "-e", "quick")
    assert done.returncode == 0, done.stdout + done.stderr
    return shop, done.stderr


@pytest.fixture(scope="session")
def finished(run_to_its_end: tuple[Shop, str]) -> Shop:
    """A workspace in which the quick experiment has been run to its end; read-only by agreement."""
    return run_to_its_end[0]


@pytest.fixture
def copied(finished: Shop, tmp_path: Path) -> Shop:
    """A copy of the finished workspace, free to be changed."""
    return Shop(shutil.copytree(finished.folder, tmp_path / "shop"))


@pytest.fixture
def edited(copied: Shop, tmp_path: Path) -> Shop:
    """A copy of the finished workspace and of the package, both free to be changed."""
    package = tmp_path / "code"
    shutil.copytree(ROOT / "pipeline", package / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    return Shop(copied.folder, package)


@pytest.fixture
def edit(edited: Shop) -> Callable[[str, str, str], None]:
    """Replace text in one of the copied package's files; the text must be there."""

    def change(file: str, old: str, new: str) -> None:
        path = edited.package / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return change
