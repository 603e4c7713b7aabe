"""The command that looks for leaks, in our own pipeline and in the competition's files."""

from __future__ import annotations

import typer
from rich.markup import escape

from pipeline.audit_graph import audit as audit_nodes
from pipeline.audit_graph import untried
from pipeline.commands.experiment import DEFAULT, Name, Slug, cached, load, out, run_nodes
from pipeline.engine.console import Console
from pipeline.engine.run import Outcome
from pipeline.report.audit import Checked, checked, facts, leaking, verdict

app = typer.Typer()

STYLES = {"leak": "red", "warning": "yellow", "note": "dim"}


@app.command()
def audit(context: typer.Context, slug: Slug = DEFAULT, experiment: Name = "default") -> None:
    """Look for leaks: exit code 1 where our own pipeline leaks, warnings where the competition's files do."""
    workspace, console = context.obj, Console()
    competition, wanted, nodes = load(workspace, slug, experiment, None)
    outcome = run_nodes(workspace, slug, audit_nodes(workspace, competition, wanted), console)
    checks = checked(outcome.results)
    for check in checks:
        _print(check)
    out.print()
    out.print(f"[bold]{verdict(checks)}[/]")
    if left := untried(nodes, wanted):
        out.print(f"[dim]no check tries {escape(', '.join(left))}[/]", soft_wrap=True)
    run = cached(workspace, slug, nodes) if outcome.made else {}
    if len(run) == len(nodes):  # else the run tells of it, once there is one
        from pipeline import tracking

        tracking.mirror(workspace, competition, wanted, Outcome(run, outcome.made), console, facts(checks))
    raise typer.Exit(1 if leaking(checks) else 0)


def _print(check: Checked) -> None:
    grave = next((s for s in ("leak", "warning") if check.count(s)), "")
    state = f"[{STYLES[grave]}]{grave}[/]" if grave else "[green]ok[/]"
    out.print(f"[bold]{escape(check.name)}[/] {state} [dim]{escape(check.asks)}[/]", soft_wrap=True)
    for finding in check.findings:
        style = STYLES[finding["severity"]]
        out.print(f"  [{style}]{finding['severity']}[/] {escape(finding['what'])}", soft_wrap=True)
        for label, key in (("where", "where"), ("how much", "strength"), ("to do", "todo")):
            if finding[key]:
                out.print(f"    [dim]{label:8}[/] {escape(finding[key])}", soft_wrap=True)
