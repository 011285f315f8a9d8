"""Where a pull request started; versions of a file over the main lines; how long short ids were."""

from __future__ import annotations

import pytest

from repos import abbreviation as abbreviations
from repos.abbreviation import abbreviation, length_for
from repos.pulls import pull_bases
from repos.versions import main_lines, versions

T = 1_700_000_000


@pytest.fixture
def story(git_repository):
    """Three commits on main at T, T + 100 and T + 200; pull request 7 branched off the first, its commits made at
    T + 150 and T + 250, and was brought in at T + 300.
    """
    made = git_repository("thing")
    main = [made.commit({"a.py": f"a = {n}\n"}, at=T + 100 * n) for n in range(3)]
    made.git("checkout", "-q", "-b", "topic", main[0])
    topic = [made.commit({"b.py": f"b = {n}\n"}, at=T + 150 + 100 * n) for n in range(2)]
    made.git("update-ref", "refs/pull/7/head", topic[-1])
    made.git("checkout", "-q", "main")
    return made, main, topic


def merge(made, message: str, *options: str) -> None:
    made.git("-c", "user.name=A", "-c", "user.email=a@b", "merge", "-q", *options, "-m", message, "topic")


@pytest.mark.parametrize("message", ["Merge pull request #7 from me/topic", "Topic, by hand"])
def test_a_merged_request_starts_from_the_tip_of_its_target_when_it_was_opened(story, message):
    made, main, _ = story
    merge(made, message, "--no-ff")
    assert pull_bases(made.git_dir, 7) == (main[1], main[0], main[2])


def test_a_squashed_request_starts_there_too_if_its_head_is_at_hand(story):
    made, main, _ = story
    made.commit({"b.py": "b = 1\n"}, message="Topic (#7)", at=T + 300)
    assert pull_bases(made.git_dir, 7) == (main[1], main[0], main[2])
    made.git("update-ref", "-d", "refs/pull/7/head")
    made.git("branch", "-D", "topic")
    assert pull_bases(made.git_dir, 7) == (main[2],)


def test_a_request_that_was_not_brought_in_starts_where_it_branched_off(story):
    made, main, _ = story
    assert pull_bases(made.git_dir, 7) == (main[0],)
    assert pull_bases(made.git_dir, 8) == ()


def test_versions_stand_beside_the_commits_of_the_main_lines(story):
    made, main, topic = story
    lines = main_lines(made.git_dir)
    assert lines[:3] == tuple(reversed(main))
    assert set(lines) == {*main, *topic}
    held = dict(zip(lines, versions(made.git_dir, "b.py"), strict=True))
    assert [held[commit] is None for commit in (*main, *topic)] == [True, True, True, False, False]
    assert held[topic[1]] == made.git("rev-parse", f"{topic[1]}:b.py")
    assert set(versions(made.git_dir, "none")) == {None}


@pytest.mark.parametrize(
    ("objects", "length"),
    [(1, 7), (16_383, 7), (16_384, 8), (65_535, 8), (65_536, 9), (262_143, 9), (262_144, 10), (10_000_000, 12)],
)
def test_short_ids_grow_by_a_digit_with_each_sixteenfold_square(objects, length):
    assert length_for(objects) == length


def test_the_length_is_known_where_all_clones_with_the_commit_agree(story):
    made, main, _ = story
    assert abbreviation(made.git_dir, main[0]) == 7
    assert abbreviation(made.git_dir, "0" * 40) is None


def test_a_clone_may_hold_more_than_the_branches_reached_at_its_moment(story, monkeypatch):
    made, main, _ = story
    counts = {main[0]: [5_000, 5_200], main[1]: [5_000, 5_600]}  # 3 times 5,600 are more than 2^14
    asked = []

    def count(_, *starts):
        asked.append(starts)
        commit = next(word for word in starts if word in counts)
        return counts[commit].pop(0)

    monkeypatch.setattr(abbreviations, "_objects", count)
    assert abbreviation(made.git_dir, main[0], as_of=1_700_000_001.5) == 7
    assert abbreviation(made.git_dir, main[1], as_of=1_700_000_001.5) is None
    assert asked[1] == ("--before=1700000001", main[0], "--branches", "--tags", "--remotes")
