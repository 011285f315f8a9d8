"""One budget for several processes: the account that holds it, and the budget that a process asks it through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from toolsim.errors import BudgetExceeded
from toolsim.modeltypes import Budget, Usage
from toolsim.trajectory import JsonObject


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a budget (`None`: no limit)."""

    calls: int | None = None
    tokens: int | None = None
    cost: float | None = None

    @property
    def any(self) -> bool:
        """Whether there is anything to hold."""
        return self != Limits()


@dataclass(frozen=True, slots=True)
class News:
    """What came since the last look (place of the worker, rollout, event, facts), and what is spent in all."""

    events: tuple[tuple[int, str, str, JsonObject], ...]
    calls: int
    usage: Usage
    cost: float
    unpriced: int


@dataclass(slots=True)
class Account:
    """What all workers of a run have spent, and what happened at each. Lives in a process that outlives them."""

    limits: Limits
    _budget: Budget = field(init=False)
    _events: list[tuple[int, str, str, JsonObject]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self._budget = Budget(self.limits.calls, self.limits.tokens, self.limits.cost)

    def admit(self) -> str | None:
        """Count one model call as started; or the limit that is used up, as a sentence."""
        reached = self._budget.reached()
        if reached is None:
            self._budget.calls += 1
        return reached

    def charge(self, usage: Usage, cost: float | None) -> None:
        """Book what an admitted call used."""
        self._budget.charge(usage, cost)

    def note(self, worker: int, rollout: str, event: str, facts: JsonObject) -> None:
        """Keep an event until it is asked for."""
        self._events.append((worker, rollout, event, facts))

    def news(self) -> News:
        """See `News`; the events are forgotten here."""
        events, self._events = tuple(self._events), []
        spent = self._budget
        return News(events, spent.calls, spent.usage, spent.cost, spent.unpriced_calls)


class SharedBudget(Budget):
    """The budget of one worker: asks the account before each call (`ask`: the limit that is used up, or `None`) and
    tells it after (`tell`). What was admitted to a worker that is lost stays counted.
    """

    def __init__(
        self, limits: Limits, ask: Callable[[], str | None], tell: Callable[[Usage, float | None], None]
    ) -> None:
        super().__init__(limits.calls, limits.tokens, limits.cost)
        self._ask, self._tell = ask, tell

    def admit(self, model: str, *, priced: bool) -> None:
        """See `Budget.admit`; the limits are those of all workers together."""
        super().admit(model, priced=priced)
        reached = self._ask()
        if reached is not None:
            raise BudgetExceeded(reached)

    def charge(self, usage: Usage, cost: float | None) -> None:
        """See `Budget.charge`."""
        super().charge(usage, cost)
        self._tell(usage, cost)
