"""The digest of code: what an edit changes, and what it does not."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.engine import code
from pipeline.engine.stage import Plugin
from pipeline.errors import FeatureError

FILES = {
    "stages/train.py": """
        '''A stage.'''
        from typing import TYPE_CHECKING
        import numpy as np
        from pipeline.engine.stage import Job
        from pipeline.helpers import near
        if TYPE_CHECKING:
            from pipeline.only_types import T

        def run(job):
            '''Train.'''
            return near.twice(np.ones(3))  # a comment
    """,
    "helpers/near.py": """
        from pipeline.helpers.far import offset
        def twice(x): return 2 * x + offset()
    """,
    "helpers/far.py": "def offset(): return 1",
    "models/mlp.py": """
        LIBRARIES = ("torch",)
        def fit():
            from pipeline.core import fused
            import sklearn.linear_model as linear
    """,
    "models/forest.py": "LIBRARIES = ('lightgbm',)",
    "core/fused.py": "LANES = 8",
    "engine/stage.py": "class Job: pass",
    "errors.py": "class E(Exception): pass",
    "only_types.py": "T = int",
}

Write = Callable[[str, str], None]


def forget() -> None:
    """Be a new process."""
    code._taken.clear()
    for cached in (code._path, code._memo):
        cached.cache_clear()


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A small package in place of ours, and a function that writes its files."""
    root = tmp_path / "pipeline"
    monkeypatch.setattr(code, "PACKAGE", root)

    def write_file(name: str, text: str) -> None:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(textwrap.dedent(text))
        forget()

    for name, text in FILES.items():
        write_file(name, text)
    yield write_file
    forget()


def train(*models: str) -> code.Closure:
    return code.closure(["pipeline.stages.train"], [Plugin(f"pipeline.models.{name}") for name in models or ("mlp",)])


@pytest.mark.usefixtures("write")
def test_the_closure_holds_what_is_reached_and_no_more() -> None:
    reached = {
        "pipeline.stages.train", "pipeline.helpers", "pipeline.helpers.near", "pipeline.helpers.far",
        "pipeline.models.mlp", "pipeline.core", "pipeline.core.fused",
    }  # fmt: skip
    assert set(train().digests) == reached


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("stages/train.py", "# a comment", "# another, longer comment"),
        ("stages/train.py", "Train.", "Train a model."),
        ("stages/train.py", "A stage.", "Another stage."),
        ("stages/train.py", "pipeline.only_types import T", "pipeline.only_types import U"),
        ("stages/train.py", "return near.twice(np.ones(3))", "return (near.twice( np.ones( 3 ) ) )"),
        ("models/forest.py", "'lightgbm'", "'xgboost'"),
        ("engine/stage.py", "pass", "name = 1"),
        ("errors.py", "class E", "class F"),
        ("only_types.py", "int", "str"),
    ],
)
def test_an_edit_that_cannot_matter_changes_nothing(write: Write, file: str, old: str, new: str) -> None:
    before = train()
    write(file, FILES[file].replace(old, new))
    assert train() == before


@pytest.mark.parametrize(
    ("file", "old", "new", "module"),
    [
        ("stages/train.py", "np.ones(3)", "np.ones(4)", "pipeline.stages.train"),
        ("helpers/near.py", "2 * x", "3 * x", "pipeline.helpers.near"),
        ("helpers/far.py", "return 1", "return 2", "pipeline.helpers.far"),
        ("core/fused.py", "8", "16", "pipeline.core.fused"),
    ],
)
def test_an_edit_that_matters_changes_the_module_and_no_other(
    write: Write, file: str, old: str, new: str, module: str
) -> None:
    before = train().digests
    write(file, FILES[file].replace(old, new))
    after = train().digests
    assert {name for name in before if before[name] != after[name]} == {module}


def test_libraries_are_named_as_they_are_installed(write: Write) -> None:
    assert train().libraries == ("numpy", "scikit-learn", "torch")
    write("models/mlp.py", "import autogluon.tabular\nLIBRARIES: tuple = ('catboost', 'autogluon.tabular')\nimport os")
    assert train().libraries == ("autogluon.tabular", "catboost", "numpy")


@pytest.mark.parametrize(
    "line",
    [
        "from pipeline.core.fused import *",
        "from pipeline.core import fused as f",
        "import pipeline.core.fused as f",
        "import pipeline.core.fused",
        "from ..core import fused",
        "from ..core.fused import LANES",
        "from .. import core\nfrom . import helper",
        "try:\n    import pipeline.core.fused\nexcept ImportError:\n    pass",
        "class C:\n    def f(self):\n        async def g():\n            from pipeline.core import fused",
        "if True:\n    from pipeline.core.fused import LANES",
    ],
)
def test_every_way_to_import_is_followed(write: Write, line: str) -> None:
    write("models/helper.py", "import pipeline.core.fused")
    write("models/mlp.py", line)
    assert "pipeline.core.fused" in train().digests


def test_what_runs_instead_of_a_type_checker_s_import_is_followed(write: Write) -> None:
    write(
        "models/mlp.py",
        "import typing\nif typing.TYPE_CHECKING:\n    import a\nelse:\n    from pipeline.core import fused",
    )
    assert "pipeline.core.fused" in train().digests
    assert "a" not in train().libraries


def test_a_module_whose_name_only_begins_like_the_engine_s_counts(write: Write) -> None:
    write("errors_of_models.py", "X = 1")
    write("models/mlp.py", "import pipeline.errors_of_models, pipeline.errors, pipeline.engine.stage")
    assert [n for n in train().digests if "e" in n and ".err" in n] == ["pipeline.errors_of_models"]


def test_imports_in_a_circle_end(write: Write) -> None:
    write("helpers/far.py", "from pipeline.helpers import near\ndef offset(): return 1")
    assert "pipeline.helpers.far" in train().digests


@pytest.mark.usefixtures("write")
def test_a_second_process_reads_the_digests_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    before = train()
    forget()
    monkeypatch.setattr(code, "_parse", lambda path: pytest.fail(f"{path} was parsed again"))
    assert train() == before


@pytest.mark.usefixtures("write")
def test_a_torn_memo_is_as_good_as_none() -> None:
    before = train()
    memo = next((code.PACKAGE / "__pycache__").glob("closure*"))
    for content in ("", '{"scheme": 1}', memo.read_text()[:-30], "[]"):
        memo.write_text(content)
        forget()
        assert train() == before


@pytest.mark.usefixtures("write")
def test_a_file_edited_since_its_digest_was_taken_is_found() -> None:
    digests = train().digests
    assert code.edited(["pipeline.stages.train"], [Plugin("pipeline.models.mlp")], digests) == []
    (code.PACKAGE / "core/fused.py").write_text("LANES = 99")
    assert code.edited(["pipeline.stages.train"], [Plugin("pipeline.models.mlp")], digests) == ["pipeline.core.fused"]
    assert train().digests == digests, "within a process the digest belongs to the module, which is loaded once"


FEATURES = """
    from __future__ import annotations
    import numpy as np
    import pipeline.helpers.far
    import pipeline.core.fused
    from pipeline.helpers import near

    LIMIT = 10
    RATES = {"a": 1}

    def _scale(x): return x / LIMIT

    def decorated(f): return f

    class Names:
        first = RATES

    def area(rows): return _scale(rows["area"])

    def age(rows): return rows["sold"] - rows["built"]

    def rate(rows): return rows["kind"].map(Names.first)

    def far(rows): return pipeline.helpers.far.offset()

    def large(rows): return rows.query("area > @LIMIT")

    def log(rows): return np.log(rows["area"])
"""
NAMES = ["age", "area", "decorated", "far", "large", "log", "rate"]


@pytest.fixture
def digests(tmp_path: Path, write: Write) -> Callable[[str], dict[str, dict[str, str]]]:  # noqa: ARG001
    """Return the closure of each function of a features.py with the given text."""

    def of(source: str) -> dict[str, dict[str, str]]:
        file = tmp_path / "features.py"
        file.write_text(textwrap.dedent(source))
        forget()
        names = code.functions(file)
        return {name: code.closure([], [Plugin("f", file, name)]).digests for name in names}

    return of


def changed_by(digests: Callable, old: str, new: str) -> list[str]:
    assert old in FEATURES
    before, after = digests(FEATURES), digests(FEATURES.replace(old, new))
    return sorted(name for name in before if before[name] != after.get(name))


@pytest.mark.parametrize(
    ("old", "new", "affected"),
    [
        ('rows["sold"]', 'rows["year"]', ["age"]),
        ("x / LIMIT", "x // LIMIT", ["area"]),
        ("LIMIT = 10", "LIMIT = 11", ["area", "large"]),
        ('{"a": 1}', '{"a": 2}', ["rate"]),
        ("first = RATES", "first = {**RATES}", ["rate"]),
        ("import numpy as np", "import jax.numpy as np", ["log"]),
        ("def log(rows):", "def new(rows): return 1\n\n    def log(rows):", []),
        ("    def log(rows):", "    '''A text.'''\n    # a comment\n    def log(rows):", []),
        # what always runs may change anything
        ("LIMIT = 10", "LIMIT = 10\n    RATES['b'] = 2", NAMES),
        ("LIMIT = 10", "LIMIT = 10\n    np.random.seed(1)", NAMES),
        ("LIMIT = 10", "if True:\n        LIMIT = 10", NAMES),
        ("LIMIT = 10", "try:\n        LIMIT = 11\n    except ImportError:\n        def _scale(x): return 1", NAMES),
        ("LIMIT = 10", "from math import *\n    LIMIT = 10", NAMES),
        ("LIMIT = 10", "for LIMIT in (10,):\n        pass", NAMES),
        ("LIMIT = 10", "LIMIT = 10\n    if __name__ == '__main__':\n        area(1)", []),
        # a call may change what another definition holds
        ("RATES = {", "_ = dict.update(RATES, b=2)\n    RATES = {", NAMES),
        ("def _scale(x)", "def _scale(x, y=RATES.update(b=2))", NAMES),
        ("class Names:", "class Names(dict):", NAMES),
        ("first = RATES", "first = RATES.pop('a')", NAMES),
        ("def area(rows):", "@decorated\n    def area(rows):", NAMES),
        ("RATES = {", "rule = lambda rows: rows.sum()\n    RATES = {", []),
        # a name defined twice: both definitions count
        ("LIMIT = 10", "LIMIT = 10\n    LIMIT += 1", ["area", "large"]),
        ("LIMIT = 10", "LIMIT, OTHER = 10, 3", ["area", "large"]),
        ("def _scale(x): return x / LIMIT", "def _scale(x): return 1\n    def _scale(x): return x / LIMIT", ["area"]),
        # whoever looks names up by themselves depends on all
        ('rows["sold"]', 'globals()["_scale"](rows)', ["age"]),
    ],
)
def test_an_edit_of_features_changes_those_that_use_it(digests: Callable, old: str, new: str, affected: list) -> None:
    assert changed_by(digests, old, new) == affected


def test_a_function_that_reflects_depends_on_the_whole_file(digests: Callable) -> None:
    reflecting = FEATURES.replace('rows["sold"]', 'globals()["_scale"](rows)')
    before, after = digests(reflecting), digests(reflecting.replace("x / LIMIT", "x + LIMIT"))
    assert sorted(name for name in before if before[name] != after[name]) == ["age", "area"]


def test_a_function_registered_by_its_decorator_counts_for_all(digests: Callable) -> None:
    registry = """
        RULES = []

        def _rule(f):
            RULES.append(f)
            return f

        @_rule
        def _double(rows): return rows["a"] * 2

        def made(rows): return sum(rule(rows) for rule in RULES)
    """
    assert digests(registry)["made"] != digests(registry.replace("* 2", "* 3"))["made"]


def test_a_function_follows_only_the_imports_it_uses(digests: Callable) -> None:
    found = digests(FEATURES)
    assert set(found["log"]) == {"features.py:log"}
    assert {"features.py:far", "pipeline.helpers.far", "pipeline.core.fused"} <= set(found["far"])


def test_functions_are_public_top_level_and_named_once(tmp_path: Path) -> None:
    file = tmp_path / "features.py"
    file.write_text(
        "def b(x): pass\ndef _a(x): pass\ndef b(x): pass\nclass C:\n    def d(self): pass\ndef a(x): pass\n"
        "e = lambda x: x\n_f = lambda x: x\nG = 1\n"
    )
    assert code.functions(file) == ["b", "a", "e"]


@pytest.mark.parametrize("text", ["def a(:\n", "x = 1\n  y = 2\n", "a\0b"])
def test_a_syntax_error_names_file_and_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "features.py"
    file.write_text(text)
    with pytest.raises(FeatureError, match=r"features\.py:.* not valid Python"):
        code.functions(file)
