import gzip
import json
import os

import pytest

from harness.errors import ImportFailed
from harness.importers import IMPORTERS, Skipped, detect, read_paths
from toolsim.trajectory import Trajectory

CLAUDE = [
    {
        "type": "file-history-snapshot",
        "messageId": "m",
        "snapshot": {"trackedFileBackups": {}},
        "isSnapshotUpdate": False,
    },
    {"type": "user", "sessionId": "s", "uuid": "u1", "parentUuid": None, "message": {"role": "user", "content": "go"}},
    {"type": "assistant", "sessionId": "s", "uuid": "a1", "parentUuid": "u1", "message": {"content": "done"}},
]
CODEX = [
    {
        "type": "session_meta",
        "timestamp": "2026-01-01T00:00:00Z",
        "payload": {"id": "x", "base_instructions": {"text": "b"}},
    },
    {
        "type": "response_item",
        "payload": {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "go"}]},
    },
]
SWE = {
    "trajectory": [{"action": "ls", "observation": "a", "response": "ls"}],
    "history": [],
    "info": {},
    "environment": "e",
}
MINI = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "```mswea_bash_command\nls\n```"}]
HANDS = [{"id": 0, "source": "user", "action": "message", "args": {"content": "go"}}]


def lines(records):
    return "".join(json.dumps(record) + "\n" for record in records)


SAMPLES = {
    "claude-code": lines(CLAUDE),
    "codex": lines(CODEX),
    "swe-agent": json.dumps(SWE, indent=2),
    "mini-swe-agent": json.dumps(MINI),
    "openhands": json.dumps(HANDS),
}


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "packed"])
def test_a_format_is_told_by_content_under_any_name(tmp_path, name, pack):
    path = tmp_path / "no-telling-name"
    path.write_bytes(pack(SAMPLES[name].encode()))
    assert detect(path).name == name
    (trajectory,) = read_paths([path])
    assert trajectory.session.format == name


@pytest.mark.parametrize("name", SAMPLES)
def test_no_two_formats_claim_the_same_file_before_the_general_ones(tmp_path, name):
    path = tmp_path / "f"
    specific = [importer for importer in IMPORTERS if importer.name in SAMPLES]
    assert [importer.name for importer in specific if importer.sniff(path, SAMPLES[name].encode())] == [name]


@pytest.mark.parametrize("name", ["claude-code", "codex"])
def test_a_first_line_longer_than_the_head_is_still_recognised(tmp_path, name):
    path = tmp_path / "f"
    records = [dict(record) for record in (CLAUDE if name == "claude-code" else CODEX)]
    if name == "claude-code":
        records[0]["snapshot"] = {"trackedFileBackups": {"x": "y" * 100_000}}
    else:
        records[0]["payload"] = {"id": "x", "base_instructions": {"text": "y" * 100_000}}
    path.write_text(lines(records))
    assert detect(path).name == name


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"\x7fELF\x00\x00\x01", "binary file"),
        (b"just words\n", "no known session format"),
        (b"\x28\xb5\x2f\xfdxx", "cannot be unpacked"),
    ],
)
def test_what_is_no_session_is_named_in_one_sentence(tmp_path, content, reason):
    path = tmp_path / "f"
    path.write_bytes(content)
    (skipped,) = read_paths([path])
    assert isinstance(skipped, Skipped)
    assert reason in skipped.reason


def test_folders_globs_and_files_are_expanded_and_one_bad_file_stops_nothing(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    (tmp_path / "a" / "b" / "one").write_text(SAMPLES["claude-code"])
    (tmp_path / "a" / "two.txt").write_text(SAMPLES["codex"])
    (tmp_path / "a" / "bad").write_bytes(b"\x00")
    found = list(read_paths([tmp_path]))
    assert [type(x).__name__ for x in found] == ["Skipped", "Trajectory", "Skipped", "Trajectory"]
    assert len([x for x in read_paths([tmp_path / "**" / "*.txt"]) if isinstance(x, Trajectory)]) == 1
    (nothing,) = read_paths([tmp_path / "*.none"])
    assert "matches no file" in nothing.reason
    (missing,) = read_paths([tmp_path / "gone"])
    assert "does not exist" in missing.reason


def test_a_named_pipe_and_a_dangling_link_are_skipped_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert [x.reason for x in read_paths([tmp_path])] == ["no regular file"] * 2


def test_a_forced_format_reads_what_detection_would_not(tmp_path):
    path = tmp_path / "f"
    path.write_text(SAMPLES["swe-agent"])
    assert any(isinstance(x, Skipped) for x in read_paths([path], "claude-code"))
    with pytest.raises(ImportFailed, match="no format is called"):
        list(read_paths([path], "nonsense"))
