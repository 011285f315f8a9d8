"""What installing a project leaves behind makes a search over everything doubtful, until the record tells."""

from __future__ import annotations

import pytest

from toolsim.actions import Blur, Glob, Grep, Listing, Matches, RemovePath, Seen, Unknown
from toolsim.scaffolds.base import ScaffoldProfile
from toolsim.trajectory import Session
from toolsim.world import World

LEGACY = {
    "setup.py": "setup()\n",
    "thing/__init__.py": "",
    "thing/core.py": "def core(): pass\n",
    "notes.rst": "core\n",
}


def started(snapshot_of, files):
    session = Session("s", "swe-agent", "t", "l", cwd="/repo")
    return World.start(session, ScaffoldProfile("swe-agent", None, "gnu", "bash", "/repo"), snapshot_of(files), "/repo")


def found(world, pattern="def core", path="/repo", everywhere=True):
    return world.perform(Grep(pattern, path, {"everywhere": everywhere}))[0]


@pytest.mark.parametrize(
    ("files", "pattern", "sure"),
    [
        (LEGACY, "def core", False),
        (LEGACY, "nothing at all", True),
        ({**LEGACY, "pyproject.toml": ""}, "def core", True),
        ({**LEGACY, "pyproject.toml": ""}, "thing", False),
        ({k: v for k, v in LEGACY.items() if k != "setup.py"}, "def core", True),
    ],
)
def test_a_search_over_everything_is_sure_only_where_no_copy_and_no_list_of_files_can_match(
    snapshot_of, files, pattern, sure
):
    world = started(snapshot_of, files)
    assert isinstance(found(world, pattern), Matches if sure else Unknown)
    assert isinstance(found(world, pattern, everywhere=False), Matches)
    assert isinstance(found(world, "def core", "/repo/thing"), Matches)


def test_files_of_a_package_may_have_copies_too(snapshot_of):
    world = started(snapshot_of, LEGACY)
    assert isinstance(world.perform(Glob("**/core.py", "/repo", everywhere=True))[0], Unknown)
    assert world.perform(Glob("**/core.py", "/repo"))[0] == Listing(("/repo/thing/core.py",))
    assert world.perform(Glob("**/notes.rst", "/repo", everywhere=True))[0] == Listing(("/repo/notes.rst",))


def test_once_the_record_shows_that_there_is_no_build_the_search_is_sure(snapshot_of):
    world = started(snapshot_of, LEGACY)
    world.apply(RemovePath("/repo/build"))
    assert isinstance(found(world), Matches)


def test_a_file_whose_name_alone_was_shown_makes_its_new_directory_unknown(snapshot_of):
    world = started(snapshot_of, LEGACY)
    world.apply(Seen("/repo/thing/core.py", ""))
    assert world.read("/repo/thing/core.py") == b"def core(): pass\n"
    world.apply(Seen("/repo/build/lib/thing/core.py", ""))
    assert world.kind("/repo/build/lib/thing/core.py") == "file"
    assert world.kind("/repo/build/lib/thing/other.py") == "unknown"
    assert isinstance(found(world), Unknown)
    assert isinstance(found(world, "def core", "/repo/thing"), Matches)


def test_a_picture_that_nobody_has_is_passed_over_by_a_search_through_a_directory_and_a_source_is_not(snapshot_of):
    world = started(snapshot_of, {**LEGACY, "logo.png": "?"})
    world.apply(Blur("/repo/logo.png", "changed", "content"))
    assert isinstance(found(world, "core", everywhere=False), Matches)
    assert isinstance(found(world, "core", "/repo/logo.png", everywhere=False), Unknown)
    world.apply(Blur("/repo/thing/core.py", "changed", "content"))
    assert isinstance(found(world, "core", everywhere=False), Unknown)
