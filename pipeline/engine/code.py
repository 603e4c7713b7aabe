"""What code a stage can reach: the import closure of its modules, digested without comments and docstrings,
and the libraries that this code imports.

Sound as long as plug-ins are found by file name, packages import nothing, and no stage imports dynamically;
tests/test_import_contracts.py holds the package to that.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pipeline.engine.stage import Plugin

PACKAGE = Path(__file__).resolve().parent.parent
LEFT_OUT = ("pipeline.engine", "pipeline.errors")
"""May not change a stage's numbers: the engine only schedules, errors only speak."""


DISTRIBUTIONS = {"sklearn": "scikit-learn", "autogluon": "autogluon.tabular"}
"""Libraries that are imported under another name than they are installed by."""


@dataclass(frozen=True)
class Module:
    """One source file: the digest of what it computes, and the modules and libraries it imports."""

    digest: str
    imports: tuple[str, ...]
    libraries: tuple[str, ...]


@dataclass(frozen=True)
class Closure:
    """All reachable code: {module: digest} sorted by name, and the sorted names of libraries."""

    digests: dict[str, str]
    libraries: tuple[str, ...]


def closure(modules: Iterable[str], plugins: Iterable[Plugin] = ()) -> Closure:
    """Follow imports from `modules` and `plugins`."""
    found: dict[str, Module] = {}
    waiting = list(modules)
    for plugin in plugins:
        if plugin.file is None:
            waiting.append(plugin.module)
        else:
            own = _read_symbol(plugin.file, plugin.symbol) if plugin.symbol else _read(plugin.file)
            found[plugin.file.name + (f":{plugin.symbol}" if plugin.symbol else "")] = own
            waiting.extend(own.imports)
    while waiting:
        name = waiting.pop()
        path = _path(name)
        if name in found or path is None or name.startswith(LEFT_OUT):
            continue
        found[name] = _read(path)
        waiting.extend(found[name].imports)
    libraries = {library for module in found.values() for library in module.libraries}
    return Closure({name: found[name].digest for name in sorted(found)}, tuple(sorted(libraries)))


def functions(file: Path) -> list[str]:
    """Return the names of a file's public top-level functions, in order, without importing it."""
    tree = ast.parse(file.read_text(encoding="utf-8"), filename=str(file))
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]


@cache
def _read(path: Path) -> Module:
    tree = _stripped(path)
    return Module(_digest([tree]), tuple(_imports(tree)), tuple(_libraries(tree)))


@cache
def _read_symbol(path: Path, symbol: str) -> Module:
    """Digest one top-level definition and, transitively, the top-level definitions and imports it uses."""
    definitions = {name: node for node in _stripped(path).body for name in _names_bound(node)}
    used: dict[str, ast.stmt] = {}
    waiting = [symbol]
    while waiting:
        name = waiting.pop()
        if name not in definitions or name in used:
            continue
        used[name] = definitions[name]
        waiting.extend(node.id for node in ast.walk(definitions[name]) if isinstance(node, ast.Name))
    parts = [used[name] for name in sorted(used)]
    module = ast.Module(body=parts, type_ignores=[])
    return Module(_digest(parts), tuple(_imports(module)), tuple(_libraries(module)))


def _digest(nodes: list[ast.stmt] | list[ast.Module]) -> str:
    return hashlib.sha256("\n".join(ast.dump(node) for node in nodes).encode()).hexdigest()


def _stripped(path: Path) -> ast.Module:
    return _Strip().visit(ast.parse(path.read_text(encoding="utf-8"), filename=str(path)))


class _Strip(ast.NodeTransformer):
    """Drops what cannot change a result: docstrings, bare strings and imports for type checkers."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:  # noqa: N802
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return None
        return self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | None:  # noqa: N802
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return None
        return self.generic_visit(node)


def _names_bound(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from ((alias.asname or alias.name).partition(".")[0] for alias in node.names)
    else:
        yield from (n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))


def _imports(tree: ast.AST) -> Iterator[str]:
    """Yield first-party module names; `from pipeline.core import fused` means the module pipeline.core.fused."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] == "pipeline")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "pipeline":
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _libraries(tree: ast.AST) -> Iterator[str]:
    """Yield the distributions imported, and those a plug-in names in LIBRARIES because others import them for it."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [node.module]
        elif isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "LIBRARIES" for t in node.targets):
            names = list(ast.literal_eval(node.value))
        for name in (n if n in DISTRIBUTIONS.values() else n.partition(".")[0] for n in names):
            if name not in sys.stdlib_module_names and name != "pipeline":
                yield DISTRIBUTIONS.get(name, name)


@cache
def _path(module: str) -> Path | None:
    """Return the file of a first-party module, or None for a name inside one."""
    parts = module.split(".")[1:]
    for path in (PACKAGE.joinpath(*parts).with_suffix(".py"), PACKAGE.joinpath(*parts, "__init__.py")):
        if parts and path.is_file():
            return path
    return None
