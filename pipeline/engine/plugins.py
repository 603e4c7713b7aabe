"""Plug-ins are found by file name: pipeline/models/mlp.py is the model `mlp`; nothing is registered anywhere."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

from pipeline.engine.sealed import sealed
from pipeline.engine.stage import Plugin
from pipeline.errors import ConfigError, FeatureError, nearest

PACKAGE = Path(__file__).resolve().parent.parent


def names(kind: str) -> list[str]:
    """Return the names of all plug-ins of a kind ("models", "metrics", "splitters", ...), sorted."""
    return sorted(file.stem for file in (PACKAGE / kind).glob("[!_]*.py"))


def find(kind: str, name: str, *, where: str) -> Plugin:
    """Return the plug-in called `name`; an unknown name is a ConfigError that names the nearest one."""
    if name not in names(kind):
        raise ConfigError(f"{where}: no {kind.rstrip('s')} is called '{name}'", hint=nearest(name, names(kind)))
    return Plugin(f"pipeline.{kind}.{name}")


def load(plugin: Plugin) -> ModuleType:
    """Import a plug-in; a competition's own file is loaded from its path."""
    if plugin.file is None:
        return importlib.import_module(plugin.module)
    return _load_file(plugin.module, plugin.file)


def _load_file(name: str, file: Path) -> ModuleType:
    """Run a file as a module of its own, always from its text: Python's cached bytecode may be of the second before."""
    module = ModuleType(name)
    module.__file__ = str(file)
    sys.modules[name] = module
    with sealed(str(file)):
        try:
            exec(compile(file.read_bytes(), str(file), "exec"), module.__dict__)
        except Exception as error:
            del sys.modules[name]
            raise FeatureError(f"{file} cannot be imported: {type(error).__name__}: {error}") from error
    return module
