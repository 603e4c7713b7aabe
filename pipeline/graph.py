"""The stages in order, in one place: what each reads and what it promises. No stage imports this file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pipeline import learned
from pipeline.config import Competition, Experiment, metric_plugin
from pipeline.engine import plugins
from pipeline.engine.code import functions
from pipeline.engine.stage import Input, Node, Plugin
from pipeline.entries import TUNED
from pipeline.errors import ConfigError, nearest
from pipeline.extra.nodes import with_extra, with_pseudo
from pipeline.models import _optional
from pipeline.nested.nodes import with_nested
from pipeline.raw.source import TABLES, members_of, role_of, sample_there
from pipeline.refit.nodes import with_refits
from pipeline.seeds import derive
from pipeline.spare.nodes import with_spare
from pipeline.suited import check_suited
from pipeline.workspace import Workspace

STAGES = ("ingest", "preprocess", "split", "budget", "train", "tune", "nested", "ensemble", "score", "submit")


def build(workspace: Workspace, competition: Competition, experiment: Experiment) -> list[Node]:
    """Return every node of an experiment, each after those it reads."""
    facts = competition.model_dump(
        mode="json", exclude={"files", "tables", "id_from", "title", "public_share"}
    )  # what `ingest` or `score` alone reads
    metric = metric_plugin(workspace, competition)
    check_suited(competition, experiment, workspace.experiment(competition.slug, experiment.name))
    features = _features(workspace, competition, experiment)
    tuned = _names_tuned(experiment)
    starts = learned.starts(workspace, competition.slug, experiment, tuned)
    trains = _trains(workspace, competition, experiment, metric)
    entries = [*experiment.models, *(name + TUNED for name in tuned)]
    nodes = [
        _ingest(workspace, competition, facts),
        *features,
        _preprocess(experiment, facts, features, metric),
        _split(experiment, metric),
        *(
            _split(experiment, metric, variant, experiment.tune.repeats)
            for variant in (("tune", "fresh") if tuned else ())
        ),
        _budget(workspace, experiment, learned.worths(workspace, competition.slug, experiment)),
        *trains,
        *(node for name in tuned for node in _tuned(experiment, name, metric, starts[name])),
        _finished(_ensemble(experiment, entries, tuned, metric), workspace, competition, experiment),
        _score(competition, experiment, metric),
        _submit(workspace, experiment, facts, entries, metric),
    ]
    nodes = with_refits(with_nested(with_spare(nodes, experiment), experiment), experiment)
    return with_pseudo(with_extra(nodes, workspace, competition, experiment, metric), experiment)


def _names_tuned(experiment: Experiment) -> list[str]:
    """Return the models that are tuned; what tuning finds is an entry of its own, whose name must be free."""
    tuned = [name for name, model in experiment.models.items() if model.space and experiment.tune.trials]
    for name in tuned:
        if name + TUNED in experiment.models:
            found = f"[models.{name}{TUNED}]: what tuning [models.{name}] finds is called '{name}{TUNED}' already"
            raise ConfigError(found, hint="rename one of the two sections")
    return tuned


def up_to(last: str, nodes: list[Node]) -> list[Node]:
    """Return the nodes of all stages up to `last`, without those that read a later one (the fit of what tune found)."""
    wanted: dict[str, Node] = {}
    for node in nodes:
        reads = {i.node for i in node.inputs.values()}
        if STAGES.index(node.stage) <= STAGES.index(last) and reads <= wanted.keys():
            wanted[node.name] = node
    return list(wanted.values())


def raw_sources(workspace: Workspace, competition: Competition) -> dict[str, Path]:
    """Return the raw files that `ingest` reads, by role; a DataError where their folder is not there."""
    folder = workspace.check_raw_folder(competition.slug)
    files = {role: name for role, name in competition.files.model_dump().items() if name}
    files |= {role_of(name): name for name in competition.tables}
    if "sample" in files:
        files["sample"] = sample_there(folder, files["sample"])
    return {role: folder / name for role, name in files.items()}


def _ingest(workspace: Workspace, competition: Competition, facts: dict) -> Node:
    sources = raw_sources(workspace, competition)
    joined = competition.model_dump(mode="json", include={"id_from", "missing"}, exclude_defaults=True)
    if competition.tables:
        # in their order: one may bring what the next is joined by; lists, as a manifest gives them back
        joined["tables"] = [[name, on] for name, on in competition.tables.items()]
    return Node(
        stage="ingest",
        module="pipeline.stages.ingest",
        config=facts | joined | members_of(sources),
        sources=sources,
        outputs=(
            "train.parquet",
            "test.parquet",
            "sample.parquet",
            "schema.json",
            *([TABLES] if competition.tables else []),
        ),
    )


def _features(workspace: Workspace, competition: Competition, experiment: Experiment) -> list[Node]:
    """Return one node a function of the competition's features.py, so that an edit reruns only that one."""
    file = workspace.competition(competition.slug) / "features.py"
    there = functions(file) if file.is_file() else []
    wanted = experiment.preprocess.features
    chosen = {"all": there, "none": []}[wanted] if isinstance(wanted, str) else wanted
    for name in chosen:
        if name not in there:
            raise ConfigError(f"[preprocess] features: {file} has no function '{name}'", hint=nearest(name, there))
    return [_feature(file, name, competition) for name in chosen]


def _feature(file: Path, name: str, competition: Competition) -> Node:
    return Node(
        stage="preprocess",
        variant=name,
        module="pipeline.stages.preprocess",
        function="run_feature",
        config={"function": name, "target": competition.target, "id": competition.id},
        inputs={"ingest": Input("ingest", ("train.parquet", "test.parquet"))},
        plugins={"feature": Plugin("competition_features", file, symbol=name)},
        outputs=("train.parquet", "test.parquet"),
    )


def _preprocess(experiment: Experiment, facts: dict, features: list[Node], metric: Plugin) -> Node:
    return Node(
        stage="preprocess",
        module="pipeline.stages.preprocess",
        config=facts
        | {"preprocess": experiment.preprocess.model_dump(mode="json", exclude={"features"})}
        | {"features": [node.variant for node in features]},  # in their order, which is that of their columns
        inputs={"ingest": Input("ingest")} | {f"feature:{n.variant}": Input(n.name) for n in features},
        plugins={"metric": metric},
        outputs=(*_TABLE.files, "columns.json", "report.json"),
    )


def _split(experiment: Experiment, metric: Plugin, variant: str = "", repeats: int | None = None) -> Node:
    """The folds of all models; tuning has its own, and its test again others: the final ones were not chosen on.

    Blocks in file order are the same for every seed: tuning shuffles them. Folds in time cannot be others.
    """
    split = experiment.split
    options = {**split.options, **({"shuffle": True} if variant and split.kind == "kfold" else {})}
    seed = derive(split.seed, "split", variant) if variant else split.seed
    return Node(
        stage="split",
        variant=variant,
        module="pipeline.stages.split",
        config=split.model_dump(mode="json") | {"seed": seed, "options": options, "repeats": repeats or split.repeats},
        inputs={"preprocess": Input("preprocess")},
        plugins={"splitter": plugins.find("splitters", split.kind, where="[split] kind"), "metric": metric},
        outputs=("folds.safetensors", "report.json"),
    )


def _budget(workspace: Workspace, experiment: Experiment, worths: dict[str, Path]) -> Node:
    """Minutes become work units here, once, so that what runs after it needs no clock."""
    models = experiment.models
    paced = {} if workspace.pace == 1 else {"pace": workspace.pace}
    return Node(
        stage="budget",
        module="pipeline.stages.budget",
        config={
            "minutes": experiment.minutes,
            **paced,
            "repeats": experiment.split.repeats,
            "tune": experiment.tune.model_dump(
                mode="json", include={"trials", "wave", "repeats", "rungs", "reduction"}
            ),
            "models": {
                name: {"kind": m.kind, "recipe": m.recipe, "tuned": bool(m.space)}
                | ({"refit": True} if m.refit else {})
                for name, m in models.items()
            },
        },
        inputs={
            "preprocess": Input("preprocess", ("train.parquet", "test.parquet", "task.json")),
            "split": Input("split"),
        },
        plugins={f"model:{name}": _model(m.kind) for name, m in models.items()},
        sources=worths,
        outputs=tuple(f"{name}/recipe.json" for name in models),
    )


def _trains(workspace: Workspace, competition: Competition, experiment: Experiment, metric: Plugin) -> list[Node]:
    """Return one node a model, the quick ones first, so that there is soon something to submit.

    Those that read files made elsewhere come last, because they are judged beside ours.
    """
    models = {name: plugins.load(_model(own.kind)) for name, own in experiment.models.items()}
    ours = [name for name, model in models.items() if not _optional.is_made_elsewhere(model)]
    ours.sort(key=lambda name: models[name].SHARE)
    trains = [_train(experiment, name, metric) for name in ours]
    for name, model in models.items():
        if name not in ours:
            node, folder = _train(experiment, name, metric), workspace.competition(competition.slug)
            files = model.sources(experiment.models[name].recipe, folder, name)
            config, inputs = {**node.config, "id": competition.id}, {**node.inputs, **_predictions(ours)}
            trains.append(replace(node, config=config, inputs=inputs, sources=files))
    return trains


def _train(experiment: Experiment, name: str, metric: Plugin) -> Node:
    recipe = Input("budget", (f"{name}/recipe.json",))
    return _fit(experiment, name, name, metric, recipe, f"{name}/recipe.json")


def _fit(experiment: Experiment, name: str, entry: str, metric: Plugin, recipe: Input, path: str) -> Node:
    return Node(
        stage="train",
        variant=entry,
        module="pipeline.stages.train",
        config={"entry": entry, "recipe": path},
        inputs={"preprocess": _TABLE, "split": _FOLDS, "recipe": recipe},
        plugins={"model": _model(experiment.models[name].kind), "metric": metric},
        outputs=("entries",),
        seed=derive(experiment.seed, "train", entry),
        reproducible=experiment.models[name].kind != "autogluon",
    )


def _tuned(experiment: Experiment, name: str, metric: Plugin, starts: dict[str, Path]) -> list[Node]:
    """Return the search over a model's space and the fit of what it found."""
    model, tune = experiment.models[name], experiment.tune
    search = Node(
        stage="tune",
        variant=name,
        module="pipeline.stages.tune",
        config={
            "entry": name,
            "space": {parameter: d.model_dump(mode="json") for parameter, d in model.space.items()},
            **tune.model_dump(mode="json", exclude={"trials", "repeats", "start_from"}),
        },
        inputs={
            "preprocess": _TABLE,
            "split": Input("split[tune]", ("folds.safetensors",)),
            "fresh": Input("split[fresh]", ("folds.safetensors",)),
            "recipe": Input("budget", (f"{name}/recipe.json",)),
            "trials": Input("budget", (f"{name}/trials.json",)),
        },
        plugins={"model": _model(model.kind), "metric": metric},
        sources=starts,
        outputs=("trials.parquet", "best.json", "recipe.json", "optimism.json"),
        seed=derive(experiment.seed, "tune", name),
        continues=("trials",),
    )
    best = Input(search.name, ("recipe.json",))
    return [search, _fit(experiment, name, name + TUNED, metric, best, "recipe.json")]


def _ensemble(experiment: Experiment, entries: list[str], tuned: list[str], metric: Plugin) -> Node:
    blender = plugins.find("blenders", experiment.ensemble.kind, where="[ensemble] kind")
    return Node(
        stage="ensemble",
        module="pipeline.stages.ensemble",
        config=experiment.ensemble.model_dump(mode="json"),
        inputs={"preprocess": _TABLE, "split": _FOLDS}
        | _predictions(entries)
        | {f"tune:{name}": Input(f"tune[{name}]", ("optimism.json",)) for name in tuned},
        plugins={"blender": blender, "metric": metric},
        outputs=(
            "ensemble.safetensors",
            *(f"{part}.json" for part in ("weights", "temperatures", "blend", "leaderboard", "worth", "result")),
        ),
        seed=derive(experiment.seed, "ensemble"),
    )


def _finished(ensemble: Node, workspace: Workspace, competition: Competition, experiment: Experiment) -> Node:
    """Add what becomes of predictions: the settings of [submit], and the competition's postprocess.py."""
    submit, file = experiment.submit, workspace.competition(competition.slug) / "postprocess.py"
    if why := submit.refusal(competition.task, competition.submission):
        raise ConfigError(f"[submit] {why}")
    settings = submit.model_dump(mode="json", include={"clip", "round"}, exclude_none=True)
    if settings:
        ensemble = replace(ensemble, config={**ensemble.config, "finish": settings})
    if not (submit.postprocess and file.is_file()):
        return ensemble
    if "postprocess" not in functions(file):
        raise ConfigError(f"{file} has no function postprocess(predictions, rows)", hint="or set postprocess = false")
    own = Plugin("competition_postprocess", file, symbol="postprocess")
    rows = Input("ingest", ("train.parquet", "test.parquet", "schema.json"))
    inputs, plugins = {**ensemble.inputs, "ingest": rows}, {**ensemble.plugins, "postprocess": own}
    return replace(ensemble, inputs=inputs, plugins=plugins)


def _score(competition: Competition, experiment: Experiment, metric: Plugin) -> Node:
    return Node(
        stage="score",
        module="pipeline.stages.score",
        config={"public_share": competition.public_share},
        inputs={
            "preprocess": _TABLE,
            "split": _FOLDS,
            "ensemble": Input("ensemble", ("ensemble.safetensors", "leaderboard.json")),
        },
        plugins={"metric": metric},
        outputs=("score.json",),
        seed=derive(experiment.seed, "score"),
    )


def _submit(workspace: Workspace, experiment: Experiment, facts: dict, entries: list[str], metric: Plugin) -> Node:
    """The submission; where a hidden solution is there, every entry is judged as well."""
    solution = workspace.solution(facts["slug"])
    judged = solution.is_file()
    return Node(
        stage="submit",
        module="pipeline.stages.submit",
        config=facts | {"experiment": experiment.name},
        inputs={"ingest": Input("ingest"), "preprocess": _TABLE, "ensemble": Input("ensemble")}
        | (_predictions(entries) if judged else {}),
        plugins={"metric": metric},
        sources={"solution": solution} if judged else {},
        outputs=("submission.csv", "provenance.json", *(["judged.json"] if judged else [])),
    )


def _predictions(entries: list[str]) -> dict[str, Input]:
    return {f"train:{name}": Input(f"train[{name}]", ("entries",)) for name in entries}


def _model(kind: str) -> Plugin:
    return plugins.find("models", kind, where="[models] kind")


_TABLE = Input("preprocess", ("train.parquet", "test.parquet", "rows.parquet", "test_ids.parquet", "task.json"))
_FOLDS = Input("split", ("folds.safetensors",))
