"""What code a stage can reach: the import closure of its modules, digested without comments and docstrings,
and the libraries that this code imports.

Sound as long as plug-ins are found by file name, packages import nothing, and no stage imports dynamically;
tests/test_import_contracts.py holds the package to that. A module's digest is taken once a process, because so is
the module; `edited` tells whether its file has changed since.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from pipeline.engine.memo import Memo
from pipeline.engine.stage import Plugin
from pipeline.errors import FeatureError

PACKAGE = Path(__file__).resolve().parent.parent
LEFT_OUT = ("pipeline.engine", "pipeline.errors")
"""May not change a stage's numbers: the engine only schedules, errors only speak."""

DISTRIBUTIONS = {"sklearn": "scikit-learn", "autogluon": "autogluon.tabular"}
"""Libraries that are imported under another name than they are installed by."""

ENVIRONMENT = ("environ", "environb", "getenv", "getenvb")
"""Names of `os` by which code reads environment variables."""

REFLECTION = frozenset({"globals", "eval", "exec", "vars", "__import__", "__name__"})
"""Names by which code may reach any definition of its file, so that all of them count as used."""


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
    return _follow(modules, plugins, _read_once)


def edited(modules: Iterable[str], plugins: Iterable[Plugin], digests: Mapping[str, str]) -> list[str]:
    """Return which of the modules in `digests` have, as their files are now, another digest than is stated there."""
    now = _follow(modules, plugins, _read).digests
    return [name for name in digests if now.get(name) != digests[name]]


def functions(file: Path) -> list[str]:
    """Return the names of a file's public top-level functions, in order, without importing it."""
    found = (name for node in _parse(file).body if _is_function(node) for name in _names_defined(node) or ())
    return list(dict.fromkeys(name for name in found if not name.startswith("_")))


def _is_function(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) or (isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda))


def _follow(modules: Iterable[str], plugins: Iterable[Plugin], read: Callable[[str, Path], Module]) -> Closure:
    found: dict[str, Module] = {}
    waiting = list(modules)
    for plugin in plugins:
        if plugin.file is None:
            waiting.append(plugin.module)
        else:
            own = _read_own(plugin.file, plugin.symbol)
            found[plugin.file.name + (f":{plugin.symbol}" if plugin.symbol else "")] = own
            waiting.extend(own.imports)
    while waiting:
        name = waiting.pop()
        path = _path(name)
        if name in found or path is None or any(name == out or name.startswith(f"{out}.") for out in LEFT_OUT):
            continue
        found[name] = read(name, path)
        waiting.extend(found[name].imports)
    _memo().save()
    libraries = {library for module in found.values() for library in module.libraries}
    return Closure({name: found[name].digest for name in sorted(found)}, tuple(sorted(libraries)))


def _read(name: str, path: Path) -> Module:
    """Return a module of the package as its file is now; a text seen before is not parsed again."""
    text = path.read_bytes()
    seen = _memo().get(name, text)
    if seen is not None:
        return Module(seen["digest"], tuple(seen["imports"]), tuple(seen["libraries"]))
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    module = _examine(_parse(path).body, package)
    _memo().put(name, text, vars(module))
    return module


def _read_once(name: str, path: Path) -> Module:
    if name not in _taken:
        _taken[name] = _read(name, path)
    return _taken[name]


_taken: dict[str, Module] = {}
"""Digests by module name: those of this process, as the loaded modules are."""


def forget(names: Iterable[str]) -> None:
    """Take the digests of these modules anew when they are next asked for."""
    for name in names:
        _taken.pop(name, None)


@cache
def _memo() -> Memo:
    """Digests by module and source text, kept where Python keeps its own; void when this file changes."""
    return Memo(PACKAGE / "__pycache__" / f"closure.{sys.implementation.cache_tag}.json", Path(__file__).read_bytes())


def _read_own(path: Path, symbol: str) -> Module:
    """Digest a competition's own file: all of it, or one top-level definition and what it may depend on, transitively.

    Code that reads environment variables is a FeatureError: no key knows them.
    """
    body = _parse(path).body
    body = _used(body, symbol) if symbol else body
    if found := next(_environment(body), None):
        raise FeatureError(
            f"{path}, line {found[0]}: {found[1]} is not in the cache key: results would stay as it changes",
            hint="write the value into the file itself",
        )
    return _examine(body)


def _environment(body: list[ast.stmt]) -> Iterator[tuple[int, str]]:
    """Yield (line, name) wherever environment variables are reached by way of `os`, whatever it is imported as."""
    nodes = [node for statement in body for node in ast.walk(statement)]
    aliases = [alias for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    named = {alias.asname or "os" for alias in aliases if alias.name == "os" or alias.name.startswith("os.")}
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module == "os":
            yield from ((node.lineno, f"os.{alias.name}") for alias in node.names if alias.name in ENVIRONMENT)
        elif isinstance(node, ast.Attribute) and node.attr in ENVIRONMENT and ast.unparse(node.value) in named:
            yield node.lineno, f"os.{node.attr}"


def _examine(body: list[ast.stmt], package: str = "") -> Module:
    tree = ast.Module(body=body, type_ignores=[])
    imports = dict.fromkeys(_imports(tree, package))
    return Module(_digest(body), tuple(imports), tuple(sorted(set(_libraries(tree)))))


def _digest(body: list[ast.stmt]) -> str:
    return sha256("\n".join(ast.dump(node) for node in body).encode()).hexdigest()


def _parse(path: Path) -> ast.Module:
    """Return a file's syntax tree without what cannot change a result."""
    try:
        tree = ast.parse(path.read_bytes(), filename=str(path))
    except (SyntaxError, ValueError) as error:
        line = f" line {error.lineno}:" if isinstance(error, SyntaxError) else ""
        raise FeatureError(f"{path}:{line} not valid Python: {error.args[0]}") from error
    stripped: ast.Module = _Strip().visit(tree)
    return stripped


class _Strip(ast.NodeTransformer):
    """Drops docstrings and other bare strings, imports for type checkers and what only a script runs."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return None
        return self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt] | None:
        if ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING", "__name__ == '__main__'"):
            otherwise = ast.Module(body=node.orelse, type_ignores=[])
            self.generic_visit(otherwise)
            return otherwise.body
        return self.generic_visit(node)


def _used(body: list[ast.stmt], symbol: str) -> list[ast.stmt]:
    """Return the statements that `symbol` may depend on, in the order of the file.

    A plain definition counts if its name is used, from wherever; any other statement, and a definition that calls
    something (a decorator that registers it), may change what was defined elsewhere, so it always counts.
    """
    definitions: dict[str, list[ast.stmt]] = {}
    always = []
    for node in body:
        names = _names_defined(node)
        if names is None or _calls(node):
            always.append(node)
        for name in names or ():
            definitions.setdefault(name, []).append(node)
    used = {id(node) for node in always}
    waiting = [symbol, *(name for node in always for name in _names_used(node))]
    while waiting:
        name = waiting.pop()
        if name in REFLECTION:
            return body
        for node in definitions.pop(name, ()):
            used.add(id(node))
            waiting.extend(_names_used(node))
    return [node for node in body if id(node) in used]


def _names_defined(node: ast.stmt) -> list[str] | None:
    """Return the names that a plain definition binds, or None for a statement that does more than that."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        names = [(alias.asname or alias.name).partition(".")[0] for alias in node.names]
        return None if "*" in names or (isinstance(node, ast.ImportFrom) and node.module == "__future__") else names
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        parts = [part for target in targets for part in ast.walk(target)]
        if any(isinstance(part, ast.Attribute | ast.Subscript) for part in parts):
            return None
        return [part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)]
    return None


def _calls(node: ast.stmt) -> bool:
    """Return whether a statement calls anything as it is run: decorators and base classes are called, too."""
    return any(
        isinstance(part, ast.Call) or getattr(part, "decorator_list", ()) or getattr(part, "bases", ())
        for part in _run_at_once(node)
    )


def _run_at_once(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the parts of a statement that run when it does: all but the bodies of functions."""
    yield node
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        parts: Iterable[ast.AST] = (*node.decorator_list, node.args)
    else:
        parts = (node.args,) if isinstance(node, ast.Lambda) else ast.iter_child_nodes(node)
    for part in parts:
        yield from _run_at_once(part)


def _names_used(node: ast.stmt) -> Iterator[str]:
    """Yield the names a statement mentions; pandas' `query("area > @LIMIT")` reaches them from within strings."""
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            yield part.id
        elif isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield from re.findall(r"@(\w+)", part.value)


def _imports(tree: ast.AST, package: str) -> Iterator[str]:
    """Yield first-party module names; `from pipeline.core import fused` means the module pipeline.core.fused."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if _is_ours(alias.name))
        elif isinstance(node, ast.ImportFrom):
            module = _absolute(node, package)
            if _is_ours(module):
                yield module
                yield from (f"{module}.{alias.name}" for alias in node.names)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    """Return the full name of the module that `from ..core import x` names in a module of `package`."""
    if node.level == 0:
        return node.module or ""
    base = package.rsplit(".", node.level - 1)[0]
    return f"{base}.{node.module}" if node.module else base


def _libraries(tree: ast.AST) -> Iterator[str]:
    """Yield the distributions imported, and those a plug-in names in LIBRARIES because others import them for it."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [node.module]
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(target, ast.Name) and target.id == "LIBRARIES" for target in targets):
                names = list(ast.literal_eval(node.value))
        for name in (n if n in DISTRIBUTIONS.values() else n.partition(".")[0] for n in names):
            if name not in sys.stdlib_module_names and not _is_ours(name):
                yield DISTRIBUTIONS.get(name, name)


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] == "pipeline"


@cache
def _path(module: str) -> Path | None:
    """Return the file of a first-party module, or None for a name inside one."""
    parts = module.split(".")[1:] if _is_ours(module) else []
    for path in (PACKAGE.joinpath(*parts).with_suffix(".py"), PACKAGE.joinpath(*parts, "__init__.py")):
        if parts and path.is_file():
            return path
    return None
