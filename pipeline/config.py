"""Two TOML files: the facts of a competition and an experiment; unknown keys are refused with the nearest right one."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from graphlib import CycleError
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, TypeAdapter, ValidationError

from pipeline import own_metric
from pipeline.engine import plugins
from pipeline.engine.stage import Plugin
from pipeline.entries import ENSEMBLE
from pipeline.errors import ConfigError, nearest
from pipeline.mistakes import mistake
from pipeline.models import _optional
from pipeline.sections import (
    Cells,
    Columns,
    Ensemble,
    Extra,
    Files,
    OtherExperiment,
    Preprocess,
    Pseudo,
    Section,
    Split,
    Submit,
    Tune,
)
from pipeline.targets import COLUMN_MEANS, names_of
from pipeline.tuning.space import Dimension, decided, split_section
from pipeline.workspace import Workspace

FORMS = {
    "regression": ("value",),
    "binary": ("label", "probability", "probabilities"),
    "multiclass": ("label", "probabilities"),
}
"""What a submission of each task may hold."""

READS = ("value", "label", "probability")
"""What a metric may read of a prediction."""

METRIC_PARTS = ("TASKS", "READS", "GREATER_IS_BETTER", "OPTIMUM", "score")


def _one_or_several(target: str | list[str]) -> str | list[str]:
    """Return a list of one as that one, so that both ways to state it are the same."""
    names = names_of(target)
    if not names or len(set(names)) < len(names):
        raise ValueError("a target stands there twice" if names else "no target")
    return target if len(names) > 1 else names[0]


class Competition(Section):
    """The facts of a competition, as experiments/<slug>/competition.toml states them.

    target: a column of train, or a list of those that a regression predicts; the metric is the mean of their scores.
    positive: the class of a binary task whose probability is meant; without it, the last one in sorted order.
    public_share: of the test rows, those that the public leaderboard judges, as Kaggle's page on it says.
    id_from: where the sample alone has the id, the columns of which it is made up (their cells, "_" between them), or
    the number of a file's first row, where it counts rows.
    tables: files beside train and test, and by which columns each is joined to both.
    missing: cells that stand for a missing value beside empty ones and the usual words, in all columns or each its own.
    """

    slug: str
    title: str = ""
    task: Literal["regression", "binary", "multiclass"]
    id: str
    id_from: Annotated[list[str], Field(min_length=1)] | int | None = None
    target: Annotated[str | list[str], AfterValidator(_one_or_several)]
    metric: Annotated[str, AfterValidator(lambda name: COLUMN_MEANS.get(name, name))]
    submission: Literal["value", "label", "probability", "probabilities"]
    positive: str | None = None
    groups: str | None = None
    time: str | None = None
    weight: str | None = None
    public_share: float | None = Field(None, ge=0, lt=1)
    files: Files = Files()
    tables: dict[str, Annotated[list[str], Field(min_length=1)]] = Field({})
    columns: Columns = Columns()
    missing: Cells | dict[str, Cells] = Field({})


OF_EVERY_MODEL = ("kind", "refit", "tune")
"""Keys of a [models.<name>] section that are not its recipe's."""


class Model(Section):
    """One [models.<name>] section: the recipe with every default filled in, and the space around it.

    refit: whether one more fit, on all rows, predicts test and new rows in place of the folds' models.
    """

    kind: str
    recipe: dict[str, Any]
    refit: bool = False
    space: dict[str, Dimension] = Field({})


class Experiment(Section):
    """One experiment, as experiments/<slug>/<name>.toml states it.

    worth_from: experiments ("name", or "slug/name" of another competition) by whose weights the minutes are shared out.
    use_spare_minutes: fit models again, larger or by other seeds, in what is left where they stop early or want little.
    """

    name: str
    seed: int = 0
    minutes: float = Field(10, gt=0, allow_inf_nan=False)
    worth_from: list[OtherExperiment] = Field([])
    use_spare_minutes: bool = False
    preprocess: Preprocess = Preprocess()
    extra: Extra = Extra()
    pseudo: Pseudo | None = None
    split: Split = Split()
    models: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")], Model] = Field(min_length=1)
    tune: Tune = Tune()
    ensemble: Ensemble = Ensemble()
    submit: Submit = Submit()


def load_competition(workspace: Workspace, slug: str) -> Competition:
    """Read and check a competition's facts."""
    path = workspace.competition(slug) / "competition.toml"
    competition = _validated(Competition, _named(read_toml(path), "slug", slug, path), path)
    metric_plugin(workspace, competition)
    if competition.submission not in FORMS[competition.task]:
        raise ConfigError(
            f"{path}: submission = '{competition.submission}' does not suit task = '{competition.task}'",
            hint=f"submission: {' or '.join(FORMS[competition.task])}",
        )
    if competition.task != "regression" and not isinstance(competition.target, str):
        raise ConfigError(
            f"{path}: target lists {len(competition.target)} columns, but task = '{competition.task}' has one",
            hint="several targets are numbers, task = 'regression'; classes are predicted column by column, each as a "
            "competition of its own",
        )
    if competition.positive is not None and competition.task != "binary":
        raise ConfigError(f"{path}: positive is for binary tasks, but task = '{competition.task}'")
    if competition.submission == "label" and _reads_probabilities(workspace, competition):
        raise ConfigError(
            f"{path}: metric '{competition.metric}' judges probabilities, but submission = 'label' writes labels",
            hint=f"submission = '{FORMS[competition.task][1]}', or a metric of labels such as accuracy",
        )
    return competition


def _reads_probabilities(workspace: Workspace, competition: Competition) -> bool:
    return bool(plugins.load(metric_plugin(workspace, competition)).READS == "probability")


def load_experiment(workspace: Workspace, slug: str, name: str, minutes: float | None = None) -> Experiment:
    """Read and check an experiment; `minutes` overrides the file's."""
    path = workspace.experiment(slug, name)
    raw = _named(read_toml(path), "name", name, path) | ({} if minutes is None else {"minutes": minutes})
    sections = raw.get("models", {})
    if not isinstance(sections, Mapping) or not all(isinstance(s, Mapping) for s in sections.values()):
        raise ConfigError(f"{path}: [models] must hold one section a model, such as [models.mlp]")
    if ENSEMBLE in sections:
        raise ConfigError(f"{path}: [models.{ENSEMBLE}]: the blend has this name", hint="give the model another one")
    raw["models"] = {model: _model(section, f"{path}: [models.{model}]", model) for model, section in sections.items()}
    experiment = _validated(Experiment, raw, path)
    _check_options(experiment, path)
    return experiment


def metric_plugin(workspace: Workspace, competition: Competition) -> Plugin:
    """Return the metric's plug-in: one of the package, or the competition's own metric.py for metric = "own"."""
    folder = workspace.competition(competition.slug)
    where = f"{folder / 'competition.toml'}: metric"
    if competition.metric == "own":
        plugin = Plugin(own_metric.MODULE, folder / "metric.py")
        _check_own_metric(folder / "metric.py", where)
    else:
        plugin = plugins.find("metrics", competition.metric, where=where)
    tasks = plugins.load(plugin).TASKS
    if competition.task not in tasks:
        raise ConfigError(
            f"{where} '{competition.metric}' is for {' or '.join(tasks)}, but task is '{competition.task}'"
        )
    return plugin


def _check_own_metric(file: Path, where: str) -> None:
    if not file.is_file():
        raise ConfigError(f"{where} is 'own', but {file} does not exist")
    module = plugins.load(Plugin(own_metric.MODULE, file))
    lacking = [name for name in METRIC_PARTS if not hasattr(module, name)]
    if lacking:
        raise ConfigError(
            f"{file} has no {', '.join(lacking)}", hint="pipeline/metrics/rmsle.py shows what a metric says"
        )
    if not isinstance(module.TASKS, list | tuple):
        raise ConfigError(f"{file}: TASKS: expected a tuple of words, found {module.TASKS!r}")
    if not isinstance(module.GREATER_IS_BETTER, bool):
        raise ConfigError(f"{file}: GREATER_IS_BETTER: expected True or False, found {module.GREATER_IS_BETTER!r}")
    worst = getattr(module, "WORST", None)
    stated = {"OPTIMUM": module.OPTIMUM} | ({} if worst is None else {"WORST": worst})
    for part, bound in stated.items():
        if type(bound) not in (int, float) or not math.isfinite(bound):
            raise ConfigError(f"{file}: {part}: expected a number, found {bound!r}")
    if worst is not None and (worst < module.OPTIMUM) != module.GREATER_IS_BETTER:
        raise ConfigError(f"{file}: WORST is {worst:g}, which is not worse than OPTIMUM, {module.OPTIMUM:g}")
    for part, words, known in (("READS", [module.READS], READS), ("TASKS", module.TASKS, FORMS)):
        for word in words:
            if word not in known:
                raise ConfigError(f"{file}: {part}: no such word {word!r}", hint=nearest(str(word), known))


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file; a syntax error is a ConfigError with its line, and so is a number that is none."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        _refuse_infinite(values, str(path))
        return values
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error


def _model(section: Mapping[str, Any], where: str, name: str) -> dict[str, Any]:
    section = dict(section)
    kind, refit = section.pop("kind", name), section.pop("refit", False)
    if not isinstance(kind, str):
        raise ConfigError(f"{where} kind: expected a model's name, found {kind!r}", hint='such as kind = "lightgbm"')
    plugin = plugins.load(plugins.find("models", kind, where=f"{where} kind"))
    recipe_type = plugin.Recipe
    usual = _usual_space(section.pop("tune", None), plugin, where)
    values, raw_space = split_section(section)
    raw_space = {name: dimension for name, dimension in usual.items() if name not in values} | raw_space
    recipe = _validated(recipe_type, values, where, OF_EVERY_MODEL)
    if raw_space and not _optional.can_be_tuned(plugin):
        raise ConfigError(f"{where}: '{kind}' cannot be tuned, but {', '.join(raw_space)} has a search space")
    if "n_seeds" in raw_space:
        raise ConfigError(f"{where} n_seeds: trials have one seed each", hint="state a number; more are hardly worse")
    space = {name: _dimension(raw, recipe_type, values, f"{where} {name}", name) for name, raw in raw_space.items()}
    if refit:
        _check_refit(plugin, recipe, space, where)
    space = _decided(space, recipe, where)
    return {"kind": kind, "recipe": recipe.model_dump(mode="json"), "refit": refit, "space": space}


def _check_refit(plugin: Any, recipe: BaseModel, space: Mapping[str, Any], where: str) -> None:
    """Refuse to fit once more what is not fitted here, or would stop on rows to validate, of which there are none."""
    if why := _optional.why_not_refitted(plugin):
        raise ConfigError(f"{where} refit: {why}", hint="leave refit out")
    stops = [getattr(recipe, "stop_on", ""), *(space["stop_on"].edges() if "stop_on" in space else [])]
    if "fold" in stops:
        raise ConfigError(
            f"{where} refit: stop_on = 'fold' stops on the rows that a fold validates, and a fit on all rows has none",
            hint="stop_on = 'inner' sets rows aside to stop on, and learns from all of them afterwards",
        )


def _usual_space(word: Any, plugin: Any, where: str) -> Mapping[str, Any]:
    """Return the space that a section asks for with tune = "default"; a model's SPACE has its source beside it."""
    if word is None:
        return {}
    if word != "default":
        raise ConfigError(
            f'{where} tune: expected "default" (the model\'s own search space), found {word!r}',
            hint='one parameter\'s stands where its value stands: lr = { tune = "loguniform", low = ..., high = ... }',
        )
    space = _optional.own_space(plugin)
    if space is None:
        raise ConfigError(
            f"{where}: this model has no search space of its own", hint="state one, parameter by parameter"
        )
    return space


def _dimension(raw: Any, recipe_type: type[BaseModel], values: Mapping[str, Any], where: str, name: str) -> Any:
    """Check one dimension: its form, and that the recipe takes its edges and the values of its conditions."""
    _known(name, recipe_type, where.removesuffix(f" {name}"))
    dimension = _checked(Dimension, raw, where)
    for value in dimension.samples():
        _validated(recipe_type, {**values, name: value}, where)
    for parent, expected in dimension.when.items():
        _known(parent, recipe_type, f"{where} when")
        for value in expected:
            _validated(recipe_type, {**values, parent: value}, f"{where} when")
    return dimension


def _decided(space: Mapping[str, Any], recipe: BaseModel, where: str) -> dict[str, Any]:
    try:
        return decided(space, recipe.model_dump(mode="json"))
    except CycleError as error:
        raise ConfigError(
            f"{where}: each of {', '.join(error.args[1][1:])} is searched only when the other is"
        ) from error


def _check_options(experiment: Experiment, path: Path) -> None:
    """Check the sections whose keys a plug-in declares."""
    for kind, section, table in (
        ("splitters", experiment.split, "split"),
        ("blenders", experiment.ensemble, "ensemble"),
    ):
        plugin = plugins.find(kind, section.kind, where=f"{path}: [{table}] kind")
        _validated(plugins.load(plugin).Options, section.options, f"{path}: [{table}.options]")


def _validated(model: type[BaseModel], values: Mapping[str, Any], where: object, beside: tuple[str, ...] = ()) -> Any:
    """beside: keys that the same section may have and the model does not know, for the hint."""
    for name in values:
        _known(name, model, where, beside)
    return _checked(model, dict(values), where)


def _known(name: str, model: type[BaseModel], where: object, beside: tuple[str, ...] = ()) -> None:
    if name in model.model_fields:
        return
    hint = nearest(name, [*model.model_fields, *beside])
    if model is Experiment and name in Competition.model_fields:
        hint = "it is a fact of the competition: write it into competition.toml"
    elif model is Competition and name in Experiment.model_fields:
        hint = "it belongs to an experiment: write it into default.toml, or another file beside this one"
    raise ConfigError(f"{where}: unknown key '{name}'", hint=hint)


def _checked(annotation: Any, value: Any, where: object) -> Any:
    try:
        return TypeAdapter(annotation).validate_python(value, strict=True)  # TOML knows a number from "5" and true
    except ValidationError as error:
        raise mistake(error, annotation, value, where) from error


def _named(values: dict[str, Any], key: str, name: str, path: Path) -> dict[str, Any]:
    """Add what the place of a file says already; the file may repeat but not contradict it."""
    if values.get(key, name) != name:
        raise ConfigError(f"{path}: {key} is {values[key]!r}, but the file's place says '{name}'", hint="leave it out")
    return values | {key: name}


def _refuse_infinite(value: Any, where: str) -> None:
    if isinstance(value, Mapping):
        for name, part in value.items():
            _refuse_infinite(part, f"{where}: {name}" if ": " not in where else f"{where}.{name}")
    elif isinstance(value, list):
        for part in value:
            _refuse_infinite(part, where)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{where}: expected a finite number, found {value}")
