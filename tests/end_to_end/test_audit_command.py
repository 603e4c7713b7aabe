"""`pipeline audit` from the command line: what it exits with, what it says, what it keeps."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable

import pytest
from audit import audit_stages
from shop import SLUG, Shop

from pipeline.engine import plugins

Call = Callable[..., subprocess.CompletedProcess[str]]

LINEAR = "[split]\nn_folds = 3\n[models.linear]\n"
REMEMBERS = """
seen = {}

def above_mean(rows):
    seen.setdefault("bmi", rows["bmi"].mean())
    return rows["bmi"] - seen["bmi"]
"""


@pytest.fixture
def linear(shop: Shop) -> Shop:
    (shop.folder / "experiments" / SLUG / "quick.toml").write_text(LINEAR)
    return shop


def features(shop: Shop, text: str) -> None:
    (shop.folder / "experiments" / SLUG / "features.py").write_text(text)


def test_a_clean_competition_passes_on_what_checks_declare_and_the_second_audit_is_cached(
    linear: Shop, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    features(linear, 'def pressure_by_age(rows):\n    return rows["bp"] * rows["age"]\n')
    with monkeypatch.context() as patch:
        opened = audit_stages(patch, roots=[linear.folder / "data", linear.folder / "experiments"])
        first = call("audit", SLUG, "-e", "quick")
    assert all(opened[f"audit[{name}]"] for name in plugins.names("audit"))
    assert first.returncode == 0, first.stdout + first.stderr
    assert f"no leaks, no warnings in {len(plugins.names('audit'))} checks" in first.stdout
    assert all(name in first.stdout for name in plugins.names("audit"))
    again = call("audit", SLUG, "-e", "quick")
    assert (again.returncode, again.stdout, again.stderr) == (0, first.stdout, "")
    call("gc", SLUG)
    assert call("audit", SLUG, "-e", "quick").stderr == ""


def test_what_no_check_tries_is_told_where_the_experiment_has_it(linear: Shop, call: Call) -> None:
    assert "no check tries" not in call("audit", SLUG, "-e", "quick").stdout
    folder = linear.folder / "experiments" / SLUG
    (folder / "postprocess.py").write_text("def postprocess(predictions, rows):\n    return predictions\n")
    (folder / "quick.toml").write_text(
        LINEAR + 'refit = true\nlr = { tune = "loguniform", low = 1e-3, high = 1e-1 }\n[pseudo]\n'
    )
    told = call("audit", SLUG, "-e", "quick").stdout.splitlines()[-1]
    assert told == "no check tries the labels of [pseudo], the search of linear, the refit of linear, postprocess.py"


def test_a_feature_with_a_memory_fails_the_audit(linear: Shop, call: Call) -> None:
    features(linear, REMEMBERS)
    done = call("audit", SLUG, "-e", "quick")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "a feature depends on other rows" in done.stdout
    assert "features.py: above_mean()" in done.stdout
    assert "1 leak, no warnings" in done.stdout
    report = call("report", SLUG, "-e", "quick")
    assert report.returncode == 1, report.stdout + report.stderr
    assert "quick.html" in report.stdout
    assert "1 leak, no warnings" in report.stdout


def test_a_run_tells_the_audit_of_its_code_and_fails_where_that_found_a_leak(linear: Shop, call: Call) -> None:
    assert "# has found" not in call("run", SLUG, "-e", "quick").stdout
    call("audit", SLUG, "-e", "quick")
    clean = call("run", SLUG, "-e", "quick")
    assert clean.returncode == 0, clean.stderr
    assert "# has found no leaks" in clean.stdout
    features(linear, REMEMBERS)
    unknown = call("run", SLUG, "-e", "quick")
    assert unknown.returncode == 0, unknown.stderr
    call("audit", SLUG, "-e", "quick")
    leaking = call("run", SLUG, "-e", "quick")
    assert leaking.returncode == 1
    assert "# has found 1 leak" in leaking.stdout
    assert "the leak audit failed (row_local): the score of" in leaking.stderr
    assert "Traceback" not in leaking.stderr
    assert re.search(r"^2 quick leaks ", call("show", SLUG).stdout, re.MULTILINE)
    assert "1 run found leaking by the audit left out: quick-" in call("choose", SLUG).stdout
    features(linear, "")
    assert call("run", SLUG, "-e", "quick").returncode == 0


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('rows["progression"] - rows["bmi"]', "the target is not shown"),
        ('rows["bmi"].rank()', "is not row-local"),
        ('rows["bmi"] - rows["bmi"].mean()', "is not row-local"),
    ],
)
def test_a_feature_of_the_target_or_of_all_rows_is_refused(linear: Shop, call: Call, body: str, said: str) -> None:
    features(linear, f"def made(rows):\n    return {body}\n")
    done = call("audit", SLUG, "-e", "quick")
    assert done.returncode == 2
    assert said in done.stderr
