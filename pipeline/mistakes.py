"""Turns what pydantic found wrong with a TOML file into one message: where, what, the nearest right spelling."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from pipeline.errors import ConfigError, nearest


def mistake(error: ValidationError, annotation: Any, raw: Any, where: object) -> ConfigError:
    """Return the error to show for values `raw` that do not fit `annotation`; an unknown key is told first."""
    # a misspelt key is often also a missing one
    found = sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    first = found[0]
    place = ".".join(_place(first["loc"], raw, is_missing=first["type"] == "missing"))
    if first["type"] == "extra_forbidden":
        hint = nearest(str(first["loc"][-1]), _fields(annotation, first["loc"][:-1]))
        return ConfigError(f"{where}: unknown key '{place}'", hint=hint)
    if first["type"] == "missing":
        return ConfigError(f"{where}: '{place}' is missing", hint=f"add {place} = ...")
    if first["type"] == "union_tag_invalid":
        return _wrong_kind(first, where, place)
    said = dict.fromkeys(_said(e["msg"]) for e in found if e["input"] is first["input"])
    return ConfigError(
        f"{where}: {place or 'value'}: {' or '.join(said)}, found {_short(first['input'])}", hint=_choices(first)
    )


def _said(message: str) -> str:
    """Return what pydantic says in words of TOML, which knows tables and no Python."""
    message = re.sub(r"a valid dictionary( or instance of \w+)?", "a table of keys", message)
    return message.removeprefix("Value error, ").replace("Dictionary", "Table").replace(" after validation", "")


def _wrong_kind(first: Mapping[str, Any], where: object, place: str) -> ConfigError:
    """Return the error for a table whose kind, as one of its keys states it, there is not."""
    context = first["ctx"]
    key = ".".join(part for part in (place, context["discriminator"].strip("'")) if part)
    expected = context["expected_tags"].replace(", ", " or ")
    return ConfigError(f"{where}: {key}: expected {expected}, found {context['tag']!r}", hint=_choices(first))


def _place(loc: Sequence[int | str], raw: Any, *, is_missing: bool) -> Iterable[str]:
    """Yield the part of a location that the file's author would recognise: branches of unions are pydantic's own."""
    for part in loc:
        inside = isinstance(raw, Mapping) and part in raw
        if inside or (isinstance(raw, list) and isinstance(part, int)):
            raw = raw[part]
            yield str(part)
    if is_missing:
        yield str(loc[-1])


def _fields(annotation: Any, loc: Sequence[int | str]) -> set[str]:
    """Return the names of the fields that would be right at a location."""
    models = _models(annotation)
    for part in loc:
        inner = {m for model in models if part in model.model_fields for m in _models(_type_of(model, str(part)))}
        models = inner or models  # tags of unions, keys of tables and places in lists name no field
    return {field for model in models for field in model.model_fields}


def _type_of(model: type[BaseModel], field: str) -> Any:
    return model.model_fields[field].annotation


def _models(annotation: Any) -> set[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {annotation}
    return {model for part in get_args(annotation) for model in _models(part)}


def _choices(first: Mapping[str, Any]) -> str:
    """Return the nearest of the values that a Literal or a union's tag allows."""
    context = first.get("ctx", {})
    known = re.findall(r"'([^']+)'", str(context.get("expected", context.get("expected_tags", ""))))
    given = context.get("tag", first["input"])
    return nearest(given, known) if known and isinstance(given, str) else ""


def _short(value: Any) -> str:
    text = repr(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
