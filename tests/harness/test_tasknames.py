"""What the name of a task says of where its session started."""

from __future__ import annotations

import pytest

from harness.tasknames import TaskName, task_name
from toolsim.trajectory import Message, Prefix, Session


def named(*, id: str = "s", instance: str | None = None, source: str | None = None) -> TaskName | None:
    metadata = {} if instance is None else {"instance_id": instance}
    session = Session(id, "swe-agent", "f", id, metadata=metadata)
    return task_name(Prefix(session, (Message("user", "go", source=source),), 0))


@pytest.mark.parametrize(
    ("text", "task"),
    [
        ("pallets__flask-4045", TaskName("pallets/flask", 4045)),
        ("scikit-learn__scikit-learn-10297", TaskName("scikit-learn/scikit-learn", 10297)),
        ("marshmallow-code__marshmallow-1867-9c6f0c70c21fe7d6", TaskName("marshmallow-code/marshmallow", 1867)),
        ("pandas-dev__pandas.95280573.pr_53652", TaskName("pandas-dev/pandas", None, "95280573")),
        ("Acme__A.b-7", TaskName("acme/a.b", 7)),
        ("swe-agent-1e8036e6ff7bc757", None),
        ("owner__name", None),
        ("", None),
    ],
)
def test_a_benchmarks_name_tells_repository_and_start(text, task):
    assert named(instance=text) == task
    assert named(id=text) == task


@pytest.mark.parametrize(
    "source", ["psf__requests-863.traj:history[0]", "/runs/psf__requests-863/psf__requests-863.traj:3"]
)
def test_the_files_name_tells_it_where_nothing_else_does(source):
    assert named(source=source) == TaskName("psf/requests", 863)
    assert named(source=source, instance="pallets__flask-1") == TaskName("pallets/flask", 1)
