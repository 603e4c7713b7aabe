"""The architecture, executable: who may import what, what stays light, and what no stage may do."""

from __future__ import annotations

import ast
import functools
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.engine import code, key, plugins
from pipeline.engine.stage import Plugin

PACKAGE = Path(__file__).parents[1] / "pipeline"
KINDS = ("models", "metrics", "splitters", "blenders", "transforms", "audit")
HEAVY = ("torch", "pandas", "sklearn", "scipy", "mlflow", "autogluon", "optuna", "matplotlib", "kagglesdk", "requests")
LIGHT = ("pipeline.cli", "pipeline.config", "pipeline.graph", "pipeline.publish", "pipeline.engine.sweep")
RECIPES = "pipeline.transforms.recipe"  # the one file of transforms/ that configs read
NAMED_BY_STAGES = {
    "ensemble": {"pipeline.blenders.best", "pipeline.blenders.mean"},  # what every blend is compared with
    "preprocess": {"pipeline.transforms.dates"},
}
ABOVE = {"pipeline.graph", "pipeline.config", "pipeline.cli", "pipeline.workspace"}  # what calls stages
UNPICKLERS = {f"{library}.{name}" for library in ("joblib", "torch") for name in ("dump", "save", "load")}
FILES = sorted(path for path in PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    return ".".join(("pipeline", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")


def files_of(*folders: str) -> list[Path]:
    return [path for path in FILES if path.relative_to(PACKAGE).parts[0] in folders and path.name != "__init__.py"]


@functools.cache
def tree_of(path: Path) -> ast.Module:
    """Return a file's syntax tree without imports for type checkers only."""
    return code._parse(path)


def imported(path: Path) -> set[str]:
    """Return the full names of all modules that a file imports, at its top or within functions."""
    found = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide where a module is"
            assert node.module is not None
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name for name in inner if code._path(name)} or {node.module}
    return found


def imported_at_the_top(path: Path) -> set[str]:
    top = ast.Module(
        body=[n for n in tree_of(path).body if isinstance(n, ast.Import | ast.ImportFrom)], type_ignores=[]
    )
    return {n.partition(".")[0] for n in imported_in(top)}


def imported_in(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def ours(path: Path) -> set[str]:
    return {name for name in imported(path) if name.partition(".")[0] == "pipeline"}


def plugin_modules() -> list[str]:
    """The modules that configs are checked against, so that they load at every start; transforms are for stages."""
    kinds = [kind for kind in KINDS if kind != "transforms"]
    found = [f"pipeline.{kind}.{name}" for kind in kinds for name in plugins.names(kind)]
    return [*found, RECIPES] if code._path(RECIPES) else found


@functools.cache
def heavy_after_import() -> dict[str, list[str]]:
    """Import module after module in one fresh process; return {module: heavy libraries that came with it}."""
    script = (
        "import importlib, json, sys\nfound = {}\n"
        f"for name in {[*LIGHT, *plugin_modules()]!r}:\n"
        "    before = set(sys.modules)\n"
        "    importlib.import_module(name)\n"
        f"    found[name] = sorted(set({HEAVY!r}) & (set(sys.modules) - before))\n"
        "print(json.dumps(found))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=PACKAGE.parent
    )
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("name", [*LIGHT, *plugin_modules()])
def test_what_every_command_loads_is_light(name: str) -> None:
    assert heavy_after_import()[name] == []


def test_the_engine_knows_neither_tables_nor_networks() -> None:
    allowed = {"pydantic", "rich", "filelock", "pipeline"}
    for path in files_of("engine"):
        libraries = {name.partition(".")[0] for name in imported(path)} - sys.stdlib_module_names
        extra = {"track.py": {"mlflow"}, "cluster.py": {"ray"}, "remote.py": {"ray"}}.get(path.name, set())
        assert libraries <= allowed | extra, path
        assert not {"mlflow", "ray"} & imported_at_the_top(path), path
        outside = {n for n in ours(path) if not n.startswith("pipeline.engine")}
        assert outside <= {f"pipeline.{name}" for name in ("atomic", "errors", "seeds", "spread", "wording")}, path


def test_the_core_knows_nothing_of_competitions() -> None:
    for path in files_of("core"):
        outside = {n for n in ours(path) if not n.startswith("pipeline.core")}
        assert outside <= {"pipeline.seeds", "pipeline.types"}, path


def test_stages_and_what_they_use_know_nothing_of_graph_and_config() -> None:
    """The list of stages and the config would otherwise be part of every key."""
    for path in files_of("stages", "core", *KINDS):
        assert not ours(path) & ABOVE, path
    for stage in plugins.names("stages"):
        reached = code.closure([f"pipeline.stages.{stage}"]).digests
        assert not reached.keys() & ABOVE, stage


@pytest.mark.parametrize("kind", KINDS)
def test_a_plugin_is_found_by_its_name_only(kind: str) -> None:
    """A central import of all plug-ins would put each into the key of every other."""
    named = {f"pipeline.{kind}.{name}" for name in plugins.names(kind)}
    for path in (PACKAGE / "stages").glob("*.py"):
        reached = ours(path) & named - {RECIPES}
        assert reached <= NAMED_BY_STAGES.get(path.stem, set()), f"{path} imports {reached}"
    for path in (PACKAGE / kind).glob("*.py"):
        assert len(ours(path) & named - {name_of(path)}) < max(len(named) - 1, 2), path


def test_only_the_engine_imports_dynamically() -> None:
    for path in FILES:
        if "engine" not in path.parts:
            names = {n.id for n in ast.walk(tree_of(path)) if isinstance(n, ast.Name)}
            assert "importlib" not in {n.partition(".")[0] for n in imported(path)}, path
            assert not names & {"__import__", "exec", "eval"}, path


def test_a_package_is_never_imported_as_a_value() -> None:
    """`import pipeline.core` followed by pipeline.core.fused.x would reach what the closure does not see."""
    for path in FILES:
        for name in ours(path):
            file = code._path(name)
            assert file is not None, f"{path} imports {name}, which is no module"
            assert file.name != "__init__.py", f"{path} imports the package {name}"


def test_stages_and_plugins_read_no_environment() -> None:
    for path in files_of("stages", "core", *KINDS):
        for node in ast.walk(tree_of(path)):
            named = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
            assert named not in ("environ", "getenv", "environb", "putenv"), f"{path}:{node.lineno}"


def test_no_pickle_of_ours() -> None:
    picklers = {"pickle", "cloudpickle", "dill", "marshal", "shelve"}
    for path in FILES:
        assert not {n.partition(".")[0] for n in imported(path)} & picklers, path
        assert [*pickling(tree_of(path))] == [], path


def pickling(tree: ast.AST) -> Iterator[str]:
    """Yield what pickles by way of a library that may be imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            named = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            named = [ast.unparse(node)] if isinstance(node, ast.Attribute) else []
        yield from (name for name in named if name in UNPICKLERS or name.endswith((".to_pickle", ".read_pickle")))
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle" and ast.unparse(node.value) != "False":
            yield ast.unparse(node)


def test_package_files_are_empty_but_for_a_docstring() -> None:
    for folder in {path.parent for path in FILES}:
        assert (folder / "__init__.py").is_file(), f"{folder} has no __init__.py"
        assert tree_of(folder / "__init__.py").body == [], folder


def test_no_file_is_a_drawer_for_everything() -> None:
    assert not [path for path in FILES if path.stem in ("utils", "util", "helpers", "common", "misc")]


def test_every_library_in_a_key_has_a_version() -> None:
    reached = [Plugin(f"pipeline.{kind}.{name}") for kind in KINDS for name in plugins.names(kind)]
    libraries = code.closure([f"pipeline.stages.{name}" for name in plugins.names("stages")], reached).libraries
    assert {"torch", "numpy", "pandas"} <= set(libraries)
    assert {name for name in libraries if key._version(name) == "not installed"} <= {"h2o", "pytabkit"}  # extras
