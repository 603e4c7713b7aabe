"""Commands of the round trip with Kaggle: download, send, ledger, sync, leaderboard, and all of it in one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from pipeline.commands.competitions import print_scaffold
from pipeline.commands.experiment import Minutes, Name, out
from pipeline.commands.running import run_whole
from pipeline.config import load_competition
from pipeline.engine.console import Console
from pipeline.errors import ConfigError, KaggleError, SubmissionError
from pipeline.practice.catalogue import SLUGS
from pipeline.workspace import Workspace, check_slug

if TYPE_CHECKING:
    from pipeline.kaggle.client import Link
    from pipeline.kaggle.ledger import Line
    from pipeline.kaggle.preflight import Objection

WAIT_MINUTES = 15.0
app = typer.Typer()

Slug = Annotated[str, typer.Argument(help="The competition: the last part of its address at Kaggle.")]
Wait = Annotated[
    float, typer.Option(min=0.0, max=1e5, help="Minutes to wait for the score; the next call goes on waiting.")
]


@app.command()
def download(context: typer.Context, slug: Slug) -> None:
    """Download a competition's files from Kaggle into data/<slug>/raw, with their hashes; no file is replaced."""
    _download(context.obj, slug)
    known = (context.obj.experiments / slug / "competition.toml").is_file()
    out.print(f"next: make {'run' if known else 'new'} COMPETITION={escape(slug)}")


@app.command()
def send(
    context: typer.Context,
    slug: Slug,
    experiment: Name = "default",
    minutes: Minutes = None,
    file: Annotated[Path | None, typer.Option(help="A CSV file to send, instead of the experiment's.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Look at everything, send nothing.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Send a file that was sent before once more.")] = False,
    wait: Wait = WAIT_MINUTES,
) -> None:
    """Send an experiment's submission to Kaggle (it is run first where it is not cached) and wait for its score."""
    workspace: Workspace = context.obj
    refuse_practice(workspace, slug)
    _refuse_code(workspace, slug)
    path = file or run_whole(workspace, slug, experiment, minutes)
    if dry_run:
        _rehearse(workspace, slug, path, again)
    else:
        _send(workspace, slug, path, again, wait)


@app.command()
def compete(
    context: typer.Context,
    slug: Slug,
    experiment: Name = "default",
    minutes: Minutes = None,
    metric: Annotated[str | None, typer.Option(help="The metric, where Kaggle's is not the right one.")] = None,
    wait: Wait = WAIT_MINUTES,
) -> None:
    """From a slug to a score: download, scaffold what is new, run, send, and wait; what is done is not done twice."""
    workspace: Workspace = context.obj
    _download(workspace, slug)
    _refuse_code(workspace, slug)
    if not (workspace.experiments / slug / "competition.toml").is_file():
        _refuse_metric(slug, print_scaffold(workspace, slug, metric).unknown_metric)
    _send(workspace, slug, run_whole(workspace, slug, experiment, minutes), False, wait)


@app.command()
def ledger(context: typer.Context, slug: Slug) -> None:
    """Show what was sent, which gains are real, and CV against the leaderboard as a plot."""
    from pipeline.atomic import put_bytes
    from pipeline.kaggle import gains, show
    from pipeline.kaggle.ledger import read
    from pipeline.kaggle.roundtrip import greater_is_better
    from pipeline.report.plots import png

    workspace: Workspace = context.obj
    competition = load_competition(workspace, slug)
    lines = read(workspace.ledger(slug))
    if not lines:
        out.print(f"nothing was sent yet; next: make send COMPETITION={escape(slug)}, or make sync")
        return
    found = gains.gains(lines, greater_is_better(workspace, competition))
    out.print(show.ledger_table(lines, found, competition.metric))
    out.print("a gain inside ± the CV's standard error is noise; a little outside it may be, too", style="dim")
    path = workspace.experiments / slug / "reports" / "ledger.png"
    put_bytes(path, png(gains.figure(lines, competition.metric)))
    out.print(escape(str(path)), soft_wrap=True)


@app.command()
def sync(context: typer.Context, slug: Slug) -> None:
    """Bring the ledger and MLflow up to date with what Kaggle lists, private scores included."""
    from pipeline import tracking
    from pipeline.kaggle.client import connect
    from pipeline.kaggle.sync import sync as bring

    workspace, console = context.obj, Console()
    workspace.competition(slug)
    with connect(slug, console) as link:
        changed = bring(link, workspace.ledger(slug), workspace.submissions / slug)
    tracking.tell_scores(workspace, slug, changed, console)
    ours = sum(bool(line.run) for line in changed)
    out.print(f"{len(changed)} submissions are new or have news, {ours} of them of runs made here")
    out.print(f"next: make ledger COMPETITION={escape(slug)}")


@app.command()
def leaderboard(
    context: typer.Context,
    slug: Slug,
    score: Annotated[float | None, typer.Option(help="A score, instead of those of the ledger.")] = None,
) -> None:
    """Download the public leaderboard and say where the submissions of the ledger, or a score, would stand now."""
    from pipeline.kaggle.client import connect
    from pipeline.kaggle.gains import scored_by_name
    from pipeline.kaggle.leaderboard import download_scores, standing
    from pipeline.kaggle.ledger import read
    from pipeline.kaggle.roundtrip import greater_is_better

    workspace, console = context.obj, Console()
    better = greater_is_better(workspace, load_competition(workspace, slug))
    asked = {"": score} if score is not None else scored_by_name(read(workspace.ledger(slug)))
    with connect(slug, console) as link:
        scores = download_scores(link, workspace.data / slug)
    out.print(f"{len(scores)} teams; {escape(str(workspace.data / slug / 'leaderboard.csv'))}", soft_wrap=True)
    for name, value in asked.items():
        stands = standing(value, scores, better)
        out.print(f"{value:.6g} would stand at {stands.rank}, in the top {stands.share:.1%} {escape(name)}".rstrip())


def _download(workspace: Workspace, slug: str) -> None:
    from pipeline.kaggle.client import connect
    from pipeline.kaggle.download import download as bring

    refuse_practice(workspace, slug)
    console = Console()
    with console.stage("download", [f"the files of {slug}"]), connect(slug, console) as link:
        done = bring(link, workspace.data / slug)
    for name, sha256 in list(done.hashes.items())[:20]:
        out.print(f"  {sha256[:16]}  {escape(name)}", soft_wrap=True)
    n_files = f"{done.new} of {len(done.hashes)}" if 0 < done.new < len(done.hashes) else f"{len(done.hashes)}"
    state = "downloaded" if done.new else "there already, with the same hashes"
    out.print(f"{n_files} files {state}: {escape(str(done.raw))}", soft_wrap=True)
    if done.facts["code_competition"]:
        console.warn("a code competition: Kaggle takes a notebook that makes the submission, not the file")


def _send(workspace: Workspace, slug: str, path: Path, again: bool, wait: float) -> None:
    from pipeline import tracking
    from pipeline.kaggle import show
    from pipeline.kaggle.client import connect
    from pipeline.kaggle.roundtrip import begun, deliver, ranked, refuse
    from pipeline.kaggle.submission import read_submission

    console, ledger = Console(), workspace.ledger(slug)
    submission = read_submission(path, slug)
    before = _sent_before(begun(ledger, submission), again)
    if before is None:
        refuse(_look(workspace, slug, path, console))
    with connect(slug, console) as link:
        if before is None:
            refuse(_look_at_limits(link))
        with console.stage("send", [submission.message()]):
            line = deliver(link, ledger, submission, before, wait)
            line = ranked(link, workspace, load_competition(workspace, slug), line)
    tracking.tell_scores(workspace, slug, [line], console)
    show.print_line(line, slug, wait, out)


def _sent_before(line: Line | None, again: bool) -> Line | None:
    """Return the line to go on with, if a file was sent already, and say so; what failed is not sent again unasked.

    again: whether to send it once more, which is done only when what was sent before has come to its end.
    """
    from pipeline.kaggle.ledger import COMPLETE, ERROR, SENDING

    if again and line is not None and line.status in (COMPLETE, ERROR):
        return None
    if line is not None and line.status == ERROR:
        raise SubmissionError(
            f"these bytes were sent on {line.sent} UTC, and Kaggle said: {line.error or 'error'}",
            hint="--again sends them once more, which costs another submission of the day",
        )
    if line is not None and line.status == SENDING:
        out.print(f"sending these bytes was cut off on {line.sent} UTC: a send first asks Kaggle what became of them")
    elif line is not None:
        what = "it is scored, nothing is sent" if line.status == COMPLETE else "a send only waits for its score"
        out.print(f"these bytes were sent before, on {line.sent} UTC; {what}")
    return line


def _rehearse(workspace: Workspace, slug: str, path: Path, again: bool) -> None:
    from pipeline.kaggle.client import connect
    from pipeline.kaggle.roundtrip import begun, refuse
    from pipeline.kaggle.submission import read_submission

    console, submission = Console(), read_submission(path, slug)
    if _sent_before(begun(workspace.ledger(slug), submission), again) is None:
        findings = _look(workspace, slug, path, console)
        try:
            with connect(slug, console) as link:
                findings += _look_at_limits(link)
        except KaggleError as error:
            console.warn(f"Kaggle was not asked how many submissions are left: {error}")
        refuse(findings)
        out.print(f"would send {escape(str(path))} with the message: {escape(submission.message())}", soft_wrap=True)
    out.print("a dry run: nothing was sent")


def _look(workspace: Workspace, slug: str, path: Path, console: Console) -> list[Objection]:
    from pipeline.kaggle.roundtrip import look

    with console.stage("preflight", [f"{path} beside the sample submission and train"]):
        findings = look(workspace, load_competition(workspace, slug), path)
    for finding in findings:
        if finding.level == "warning":
            console.warn(finding.text)
    return findings


def _look_at_limits(link: Link) -> list[Objection]:
    from pipeline.kaggle.preflight import check_left
    from pipeline.kaggle.upload import limits

    found = limits(link)
    out.print(f"{found['today']} submissions today, {found['left']} left")
    return check_left(found, link.slug)


def _refuse_metric(slug: str, unknown: str) -> None:
    """Send nothing that was tuned and blended for another metric than Kaggle's, unless that is said to be meant."""
    if unknown:
        raise ConfigError(
            f"Kaggle judges {slug} by {unknown}, which is none of our metrics for it: nothing was run or sent",
            hint=f"put the nearest one, or metric = 'own' beside a metric.py, into experiments/{slug}/competition.toml "
            "and say make compete again",
        )


def _refuse_code(workspace: Workspace, slug: str) -> None:
    from pipeline.kaggle.facts import known_facts

    if known_facts(workspace.data / slug).get("code_competition"):
        raise SubmissionError(
            f"{slug} is a code competition: Kaggle takes a notebook that makes the file, not the file",
            hint=f"make bundle COMPETITION={slug} writes one and tries it offline",
        )


def refuse_practice(workspace: Workspace, slug: str) -> None:
    """Raise a ConfigError for a competition that only this machine knows."""
    check_slug(slug)
    if slug in SLUGS or workspace.solution(slug).is_file():
        raise ConfigError(
            f"{slug} is a practice competition: Kaggle does not know it",
            hint=f"make run COMPETITION={slug} judges it here; choose a real one with COMPETITION=<slug>",
        )
