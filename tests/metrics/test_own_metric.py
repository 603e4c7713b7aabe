"""A competition's own metric.py: rows that it refuses have no score, and whatever else fails is told."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from clean_tables import make_table
from small_folds import alternating

from pipeline import own_metric
from pipeline.config import load_competition, metric_plugin
from pipeline.engine import plugins
from pipeline.engine.stage import Plugin
from pipeline.errors import ConfigError, FeatureError
from pipeline.stages.split import check_metric
from pipeline.types import Metric
from pipeline.workspace import Workspace

FACTS = "TASKS, READS, GREATER_IS_BETTER, OPTIMUM = ('multiclass',), 'probability', False, 0.0\n"
WITHOUT_LABELS = (
    "from sklearn.metrics import log_loss\ndef score(target, prediction): return log_loss(target, prediction)\n"
)
SURE = np.eye(3)
COMPETITION = 'task = "regression"\nid = "Id"\ntarget = "SalePrice"\nmetric = "own"\nsubmission = "value"\n'
RIGHT = "TASKS, READS, GREATER_IS_BETTER, OPTIMUM = ('regression',), 'value', False, 0.0\n"
SCORE = "def score(target, prediction): return 0.0\n"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The metric.py of a competition called houses."""
    folder = tmp_path / "experiments" / "houses"
    folder.mkdir(parents=True)
    (folder / "competition.toml").write_text(COMPETITION)
    (folder / "metric.py").write_text(RIGHT + SCORE)
    return folder / "metric.py"


def load(own: Path) -> Plugin:
    workspace = Workspace(experiments=own.parents[1])
    return metric_plugin(workspace, load_competition(workspace, "houses"))


def test_a_right_one_is_the_competitions_metric(own: Path) -> None:
    assert load(own).file == own


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        (RIGHT, "TASKS = ('regression',)\n", "metric.py has no READS, GREATER_IS_BETTER, OPTIMUM"),
        ("regression", "binary", "'own' is for binary, but task is 'regression'"),
        ("'value'", "'values'", "metric.py: READS: no such word 'values'"),
        ("('regression',)", "('regression', 'Binary')", "metric.py: TASKS: no such word 'Binary'"),
        ("('regression',)", "'regression'", "metric.py: TASKS: expected a tuple of words, found 'regression'"),
        ("False, 0.0", "False, '0'", "metric.py: OPTIMUM: expected a number, found '0'"),
        ("False, 0.0", "False, None", "metric.py: OPTIMUM: expected a number, found None"),
        ("False, 0.0", "False, True", "metric.py: OPTIMUM: expected a number, found True"),
        ("False, 0.0\n", "False, 0.0\nWORST = '9'\n", "metric.py: WORST: expected a number, found '9'"),
        ("False, 0.0\n", "False, 0.0\nWORST = -1.0\n", "metric.py: WORST is -1, which is not worse than OPTIMUM, 0"),
        ("False, 0.0", "False, float('nan')", "metric.py: OPTIMUM: expected a number, found nan"),
        ("False, 0.0", "'no', 0.0", "metric.py: GREATER_IS_BETTER: expected True or False, found 'no'"),
    ],
)
def test_it_is_checked_like_one_of_the_package(own: Path, right: str, wrong: str, said: str) -> None:
    own.write_text(own.read_text().replace(right, wrong))
    with pytest.raises(ConfigError, match=re.escape(said)):
        load(own)


def test_one_that_cannot_be_imported_is_told(own: Path) -> None:
    own.write_text("import no_such_library")
    with pytest.raises(FeatureError, match=r"metric\.py cannot be imported: ModuleNotFoundError"):
        load(own)


def test_it_may_read_no_file_when_it_scores(own: Path) -> None:
    (own.parent / "weights.txt").write_text("2.0")
    own.write_text(
        RIGHT + f"def score(target, prediction): return float(open({str(own.with_name('weights.txt'))!r}).read())\n"
    )
    metric = Metric.from_module(plugins.load(load(own)))
    with pytest.raises(FeatureError, match=r"metric\.py: score\(\) opens .*weights\.txt"):
        metric.score(np.zeros(2), np.zeros((2, 1)))


def metric(folder: Path, body: str) -> Metric:
    file = folder / "metric.py"
    file.write_text(FACTS + body)
    return Metric.from_module(plugins.load(Plugin(own_metric.MODULE, file)))


def test_rows_that_it_refuses_have_no_score(tmp_path: Path) -> None:
    own = metric(tmp_path, WITHOUT_LABELS)
    assert own.score(np.arange(3), SURE) == pytest.approx(0.0, abs=1e-9)
    assert np.isnan(own.score(np.zeros(3, dtype=int), SURE))


def test_folds_that_it_refuses_are_told_in_its_words(tmp_path: Path) -> None:
    table = make_table(classes=True)
    task = replace(table.task, metric=metric(tmp_path, WITHOUT_LABELS))
    rare = replace(table, task=task, target=np.where(np.arange(400) < 2, np.arange(400) + 1, 0))
    with pytest.raises(ConfigError, match=r"metric\.py cannot be computed on fold 0 .*refuses them: ValueError"):
        check_metric(alternating(400), rare)


def test_what_else_fails_is_a_mistake_of_the_file(tmp_path: Path) -> None:
    own = metric(tmp_path, "def score(target, prediction): return target.no_such_thing\n")
    with pytest.raises(FeatureError, match=r"metric\.py: score\(\) failed: AttributeError: .*no_such_thing"):
        own.score(np.arange(3), SURE)


def test_what_works_in_place_changes_nothing(tmp_path: Path) -> None:
    body = "def score(target, prediction):\n    target[:] = 0\n    prediction[:] = 0\n    return 1.0\n"
    target, sure = np.arange(3), SURE.copy()
    assert metric(tmp_path, body).score(target, sure) == 1.0
    np.testing.assert_array_equal(target, np.arange(3))
    np.testing.assert_array_equal(sure, SURE)


@pytest.mark.parametrize(
    ("returned", "said"), [("None", "NoneType"), ("prediction", r"ndarray of shape \(3, 3\)"), ("'x'", "str")]
)
def test_what_is_no_number_is_told(tmp_path: Path, returned: str, said: str) -> None:
    own = metric(tmp_path, f"def score(target, prediction): return {returned}\n")
    with pytest.raises(FeatureError, match=rf"metric\.py: score\(\) returns {said}, expected one number"):
        own.score(np.arange(3), SURE)


def test_a_score_that_is_nan_of_perfect_predictions_is_told(tmp_path: Path) -> None:
    table = make_table(classes=True)
    task = replace(table.task, metric=metric(tmp_path, "def score(target, prediction): return float('nan')\n"))
    with pytest.raises(ConfigError) as caught:
        check_metric(alternating(400), replace(table, task=task))
    assert caught.value.hint == "score() of metric.py must give a number where every prediction is right"


@pytest.mark.parametrize("drawn", ["random()", "default_rng(0).random()"])
def test_one_that_draws_must_be_seeded(tmp_path: Path, drawn: str) -> None:
    table = make_table(classes=True)
    text = f"import numpy as np\ndef score(target, prediction): return float(np.random.{drawn})\n"
    task = replace(table.task, metric=metric(tmp_path, text))
    refused = pytest.raises(FeatureError, match="returned another number") if drawn == "random()" else nullcontext()
    with refused:
        check_metric(alternating(400), replace(table, task=task))


def test_what_a_library_opens_as_it_is_imported_first_is_no_file_of_the_metrics(own: Path) -> None:
    """In a process of its own: here others have imported scikit-learn before."""
    own.write_text(f"from sklearn.metrics import mean_absolute_error\n{RIGHT}{SCORE}")
    text = """
import sys
from pathlib import Path
from pipeline import own_metric
from pipeline.config import load_competition
from pipeline.workspace import Workspace
assert "sklearn" not in sys.modules
print(load_competition(Workspace(experiments=Path(sys.argv[1])), "houses").metric)
"""
    done = subprocess.run([sys.executable, "-c", text, own.parents[1]], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("own", "")
