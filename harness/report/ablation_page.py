"""An ablation as one HTML page: table, plot of scores by arm, gains. Self-contained, readable without script."""

from __future__ import annotations

from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from harness.ablation.figures import CellFigures, Figure
from harness.ablation.running import Ablation
from harness.report.inert import inert

WIDTH, ROW, LEFT, RIGHT = 640, 26, 190, 40


@dataclass(frozen=True, slots=True)
class Bar:
    """One cell in the plot: positions in pixels, `None` where nothing was answered."""

    label: str
    top: int
    middle: float | None
    low: float | None
    high: float | None
    text: str


def bars(cells: tuple[CellFigures, ...]) -> tuple[Bar, ...]:
    """Scores over all calls (an unanswered one counts 0) on a scale from 0 to 1."""
    made = []
    for number, cell in enumerate(cells):
        figure = cell.score_all
        label, top, text = f"{cell.setting}: {cell.arm}", 14 + ROW * number, _text(figure)
        if figure is None:
            made.append(Bar(label, top, None, None, None, text))
        else:
            made.append(Bar(label, top, place(figure.value), place(figure.low), place(figure.high), text))
    return tuple(made)


def place(share: float) -> float:
    """Where a share stands in the plot."""
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def render_ablation(result: Ablation) -> str:
    """The page as HTML text."""
    environment = Environment(
        loader=PackageLoader("harness.report", "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["inert"] = lambda value: inert(str(value))
    environment.filters["figure"] = _text
    environment.filters["signed"] = lambda figure: _text(figure, "+.3f")
    drawn = bars(result.cells)
    ticks = [(place(n / 10), f"{n / 10:.1f}") for n in range(0, 11, 2)]
    template = environment.get_template("ablation.html.j2")
    return template.render(result=result, bars=drawn, ticks=ticks, width=WIDTH, height=30 + ROW * len(drawn))


def _text(figure: Figure | None, form: str = ".3f") -> str:
    if figure is None:
        return "–"
    return f"{figure.value:{form}} [{figure.low:{form}}, {figure.high:{form}}]"
