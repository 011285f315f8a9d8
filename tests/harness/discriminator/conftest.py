"""The fixture `run` of the tests of judging."""

from __future__ import annotations

import pytest

from tests.harness.discriminator.runs import maker


@pytest.fixture
def run(store, recorded):
    """A run in `store` of recorded actions: `run(simulate)` gives each recorded text its answer."""
    return maker(store, recorded)
