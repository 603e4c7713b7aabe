"""What a person sees: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import io
from types import SimpleNamespace

import pytest
from rich.console import Console as Rich

from pipeline.commands.experiment import console_for
from pipeline.config import Experiment
from pipeline.engine import console as module
from pipeline.engine.console import Console


def console(*, terminal: bool) -> tuple[Console, io.StringIO]:
    made, text = Console(), io.StringIO()
    made.rich = Rich(file=text, force_terminal=terminal, width=60, color_system=None, highlight=False)
    return made, text


def test_lines_are_plain_and_whole_when_not_a_terminal() -> None:
    log, text = console(terminal=False)
    log.info("[red] is a text, not a colour " + "x" * 80)
    log.warn("look [here]")
    with log.stage("train[mlp]", ["config a: 1 → [2]", "seed: 1 → 2", "more", "and more"]):
        pass
    lines = text.getvalue().splitlines()
    assert "\x1b" not in text.getvalue()
    assert lines[0] == "  [red] is a text, not a colour " + "x" * 80
    assert lines[1] == "  ! look [here]"
    assert lines[2] == "train[mlp] config a: 1 → [2]; seed: 1 → 2 (+2 more, see `pipeline plan`)"
    assert lines[3].startswith("  done in ")


def test_a_stage_that_fails_is_not_done() -> None:
    log, text = console(terminal=False)
    with pytest.raises(ValueError, match="broken"), log.stage("a", []):
        raise ValueError("broken")
    assert "done" not in text.getvalue()


def test_progress_says_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 4))
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    log, text = console(terminal=False)
    with log.progress("tune [mlp]", 8) as bar:
        for trial in range(8):
            bar.advance(note=f"best {trial}")
    assert text.getvalue().splitlines() == ["  tune [mlp]: 3/8 best 2", "  tune [mlp]: 6/8 best 5"]


def test_bars_nest_on_a_terminal_and_are_gone_at_the_end() -> None:
    log, _ = console(terminal=True)
    with log.progress("outer [b]", 2) as outer:
        outer.advance()
        with contextlib.suppress(KeyboardInterrupt), log.progress("inner", 3) as inner:
            inner.advance(2, "so far")
            assert log.bars is not None
            assert [(t.description, t.completed) for t in log.bars.tasks] == [("outer \\[b]", 1), ("inner", 2)]
            raise KeyboardInterrupt
        assert log.bars is not None
        assert len(log.bars.tasks) == 1
    assert log.bars is None
    with log.progress("again", 1) as again:
        again.advance()


def test_a_table_stands_below_its_bar_until_the_bar_ends() -> None:
    log, text = console(terminal=True)
    with log.progress("tune [mlp]", 2) as bar:
        bar.table(["trial", "activation"], [["3", "[selu]"], ["1", "relu"]])
        bar.table(["trial", "activation"], [["4", "[mish]"], ["3", "[selu]"]])
        assert log.bars is not None
        text.truncate(0)
        log.bars.refresh()
        shown = text.getvalue()
        assert shown.index("tune [mlp]") < shown.index("activation") < shown.index("[mish]") < shown.index("[selu]")
        assert "relu" not in shown
        with log.progress("inner", 3):
            pass
        assert len(log.bars.tables) == 1
    assert log.bars is None
    plain, lines = console(terminal=False)
    with plain.progress("tune [mlp]", 2) as bar:
        bar.table(["trial"], [["3"]])
    assert lines.getvalue() == ""


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    log = Console(quiet=True)
    log.warn("nobody reads this")
    with log.progress("nor this", 1) as bar:
        bar.advance()
    assert capsys.readouterr() == ("", "")


def test_it_is_late_when_the_limit_is_over() -> None:
    assert not Console(quiet=True).late()
    assert not Console(quiet=True, limit=3600).late()
    assert Console(quiet=True, limit=-1).late()


@pytest.mark.parametrize(("minutes", "stops_after"), [(1.0, 21 * 60), (10.0, 30 * 60), (30.0, 90 * 60)])
def test_a_run_ends_after_three_times_its_minutes_and_20_minutes_longer(
    monkeypatch: pytest.MonkeyPatch, minutes: float, stops_after: float
) -> None:
    now = 1000.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    log = console_for(Experiment.model_construct(minutes=minutes))
    now += stops_after
    assert not log.late()
    now += 1
    assert log.late()
