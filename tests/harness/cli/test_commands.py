"""The commands as a shell runs them: what stands on stdout and stderr, and the exit status."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass

import click
import pytest

from harness.cli import COMMANDS, cli, main
from harness.demo import find_fixtures, unpack_repository
from harness.store import Store

SESSIONS, BUNDLE = find_fixtures()
CODEX = SESSIONS / "codex" / "pipes-run1.jsonl"
CLAUDE = SESSIONS / "claude-code" / "environment-run1.jsonl"
SWE = SESSIONS / "swe-agent-1" / "descending-run1.traj"
NOWHERE = "m@http://127.0.0.1:9/v1"


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def sentence(self):
        """The one line of an expected error."""
        assert self.code == 1, (self.code, self.out, self.err)
        assert "Traceback" not in self.err
        last = self.err.rstrip("\n").splitlines()[-1]
        assert last.startswith("deploysim: "), self.err
        assert self.out == ""
        return last.removeprefix("deploysim: ")


@pytest.fixture
def quiet(monkeypatch, tmp_path):
    """An empty folder on a machine with git, no sandbox and no settings of ours in the environment."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "git").symlink_to(shutil.which("git"))
    monkeypatch.setenv("PATH", str(programs))
    for name in list(os.environ):
        if name.startswith(("DEPLOYSIM_", "OPENAI_")):
            monkeypatch.delenv(name)
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def run(quiet, monkeypatch, capsys):
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["deploysim", *map(str, arguments)])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        shown = capsys.readouterr()
        assert "Traceback" not in shown.err
        return Done(code, shown.out, shown.err)

    return call


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder with three sessions imported and their repository added."""
    folder = tmp_path_factory.mktemp("prepared")
    repository = unpack_repository(BUNDLE, folder / "repository.git")
    for arguments in (("import", CODEX, CLAUDE, SWE), ("repos", "add", repository)):
        command = [sys.executable, "-c", "from harness.cli import main; main()", *map(str, arguments)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def store(prepared, quiet):
    """A copy of the prepared store in the current folder."""
    for name in ("deploysim.db", "calls.db"):
        shutil.copy(prepared / name, quiet / name)
    return quiet / "deploysim.db"


# --- the program ---------------------------------------------------------------------------------------------------


def test_help_lists_every_command_without_loading_one(run):
    done = run("--help")
    assert done.code == 0
    assert all(f"  {name} " in done.out for name in COMMANDS)


def test_every_command_has_help_and_every_command_that_prints_has_json():
    def leaves(command, path):
        if isinstance(command, click.Group):
            for name in command.list_commands(click.Context(command)):
                yield from leaves(command.get_command(click.Context(command), name), (*path, name))
        else:
            yield path, command

    found = dict(leaves(cli, ()))
    assert {path[0] for path in found} == set(COMMANDS)
    assert all(command.help for command in found.values())
    without = {path for path, c in found.items() if not any("--json" in p.opts for p in c.params)}
    assert without <= {("demo",)}


def test_the_program_starts_from_a_shell_and_loads_no_client_for_its_help():
    code = (
        "import sys; sys.argv=['deploysim','resample','--help']\n"
        "from harness.cli import main\n"
        "try: main()\n"
        "finally: assert not {'openai','langgraph','xllamacpp','tantivy'} & set(sys.modules), 'heavy'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "--candidate" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["import"],
        ["purge"],
        ["sessions", "--pool", "other"],
        ["resample", "--rungs"],
        ["resample", "--since", "yesterday"],
        ["resample", "--stratify", "colour"],
        ["resample", "--consent", "nokey"],
        ["resample", "--samples", "0"],
        ["resample", "--config", "missing.yaml"],
        ["run", "--judge", "none"],
        ["calls", "search", "x", "--limit", "0"],
        ["calls", "search", "x", "--before", "noon"],
        ["--no-such-flag"],
    ],
)
def test_wrong_usage_is_status_2_with_a_hint(run, store, arguments):
    done = run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert "Usage:" in done.err or "Error:" in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["sessions"],
        ["export"],
        ["purge", "x"],
        ["repos", "list"],
        ["repos", "check"],
        ["world", "x"],
        ["resample", "--candidate", "recorded", "--simulator", "none"],
        ["discriminate", "--judge", "none"],
        ["report"],
        ["calls", "search", "x"],
        ["calls", "count"],
    ],
)
def test_without_a_store_every_command_says_how_to_make_one(run, quiet, arguments):
    assert "`deploysim import` makes one" in run(*arguments).sentence
    assert list(quiet.iterdir()) == []


# --- import and what it fills --------------------------------------------------------------------------------------


def test_import_counts_what_it_read_and_adds_it_once(run):
    first = run("import", CODEX, SWE, "--json")
    assert first.code == 0
    assert (first.json["added"], first.json["sessions"]) == (2, {"codex": 1, "swe-agent": 1})
    again = run("import", CODEX, SWE)
    assert "2 sessions read: 0 added, 2 known already" in again.out
    assert len(run("sessions", "--json").json) == 2


def test_import_leaves_out_what_has_no_consent(run):
    done = run("import", CODEX, "--consent", "signed=yes", "--verbose")
    assert done.code == 0
    assert "1 sessions left out: no consent" in done.out
    assert "metadata has no signed" in done.err


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.jsonl", b"", "empty file"),
        ("noise.bin", bytes(range(256)) * 20, "binary file of no known format"),
        ("text.txt", b"nothing of a session\n", "no known session format"),
        ("broken.json", b'{"messages": [', "no known session format"),
    ],
)
def test_a_file_that_holds_no_session_is_one_sentence(run, quiet, name, content, reason):
    (quiet / name).write_bytes(content)
    sentence = run("import", name, "--json").sentence
    assert sentence.startswith(f"no session found: {name}: ")
    assert reason in sentence


def test_a_truncated_recording_is_imported_up_to_its_damage_which_is_named(run, quiet):
    text = CODEX.read_bytes()
    (quiet / "cut.jsonl").write_bytes(text[: int(len(text) * 0.7)])
    done = run("import", "cut.jsonl")
    assert done.code == 0
    assert "1 sessions read: 1 added" in done.out
    assert "1 skips:" in done.out
    assert "cut.jsonl:line " in done.out


def test_a_store_that_is_no_database_is_one_sentence(run, quiet):
    (quiet / "deploysim.db").write_bytes(b"just text, no database at all" * 50)
    assert run("import", CODEX).sentence == "cannot use the store deploysim.db: file is not a database"
    assert run("sessions").sentence == "cannot use the store deploysim.db: file is not a database"


def test_the_pair_database_in_the_place_of_the_store_is_left_alone(run, store):
    before = (store.parent / "calls.db").read_bytes()
    assert "is no store" in run("import", CODEX, "--store", "calls.db").sentence
    assert (store.parent / "calls.db").read_bytes() == before


def test_sessions_are_listed_for_people_and_programs(run, store):
    rows = run("sessions", "--json").json
    assert sorted(r["agent"] for r in rows) == ["claude-code", "codex", "swe-agent"]
    table = run("sessions", "--agent", "codex").out.splitlines()
    assert len(table) == 2
    assert table[0].split()[:3] == ["session", "agent", "repository"]


def test_recorded_calls_are_found_by_their_words(run, store):
    found = run("calls", "search", "pytest -q", "--json", "--limit", "3").json
    assert 1 <= len(found) <= 3
    assert "pytest" in found[0]["arguments_text"]
    shown = run("calls", "search", "pytest -q", "--tool", "Bash").out
    assert "Bash  python -m pytest -q" in shown
    assert run("calls", "search", "pytest", "--before", "2001-01-01").out == "nothing found\n"
    assert run("calls", "count", "--json").json["pairs"] > 30


def test_purge_removes_a_session_everywhere_and_for_good(run, store):
    gone = next(r for r in run("sessions", "--json").json if r["agent"] == "codex")
    before = run("calls", "count", "--json").json["pairs"]
    done = run("purge", gone["id"][:12], "--json").json
    assert done["session"] == gone["id"]
    assert (done["removed"]["sessions"], done["removed"]["calls"]) == (1, gone["results"])
    assert run("calls", "count", "--json").json["pairs"] == before - gone["results"]
    assert "0 known already, 1 purged before" in run("import", CODEX).out
    assert gone["id"] not in run("sessions").out
    assert "no session in" in run("purge", gone["id"]).sentence


def test_exported_sessions_are_the_same_sessions_when_imported(run, store):
    done = run("export", "--output", "atif", "--json")
    assert len(done.json) == 3
    again = run("import", "atif", "--json").json
    assert (again["added"], again["known"], again["skipped"]) == (0, 3, [])


def test_sessions_of_like_names_are_exported_to_files_of_their_own(run, quiet, recorded):
    names = ["a/b", "a_b", "a:b", "x" * 200, "x" * 201]
    with Store(quiet / "deploysim.db") as store:
        for name in names:
            store.add_session(recorded(name), source="x", sha256=name)
    files = run("export", "--json").json
    assert len(set(files)) == len(names)
    assert all((quiet / file).is_file() for file in files)


# --- repositories and worlds ---------------------------------------------------------------------------------------


def test_repositories_are_added_once_listed_and_checked(run, store, prepared):
    again = run("repos", "add", prepared / "repository.git", "--json").json
    assert (again["added"], again["name"]) == (False, "text/tablewright")
    assert [r["name"] for r in run("repos", "list", "--json").json] == ["text/tablewright"]
    checked = run("repos", "check", "--json").json
    assert len(checked) == 3
    assert all(c["check"]["equal"] == c["check"]["compared"] for c in checked)
    assert "sessions have a base commit" in run("repos", "check").out


def test_a_folder_that_is_no_repository_is_one_sentence(run, quiet):
    assert "is no git repository" in run("repos", "add", quiet).sentence
    assert "no git repository" in run("repos", "add", quiet / "missing").sentence


def test_the_world_of_a_prefix_is_shown_file_by_file(run, store):
    session = next(r["id"] for r in run("sessions", "--json").json if r["agent"] == "claude-code")
    world = run("world", session[:8], "--json").json
    assert world["base"]["repository"] == "text/tablewright"
    assert world["drift"]["different"] == 0
    shown = run("world", session, "--check").out
    assert shown.startswith("root /home/dev/work/tablewright")
    assert run("world", session, "--turn", "99").sentence.endswith("there is no turn 99 with an agent message")
    assert "is absent in this world" in run("world", session, "--cat", f"{world['root']}/no/such/file").sentence


def test_a_file_of_the_world_is_printed_as_it_is(store, run):
    session = next(r["id"] for r in run("sessions", "--json").json if r["agent"] == "claude-code")
    root = run("world", session, "--json").json["root"]
    code = "from harness.cli import main; main()"
    command = [sys.executable, "-c", code, "world", session, "--cat", f"{root}/pyproject.toml"]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert b"tablewright" in done.stdout


# --- runs ----------------------------------------------------------------------------------------------------------


RECORDED = ("--candidate", "recorded", "--simulator", "none")


def test_the_engine_of_the_shell_is_chosen_by_name_and_kept_with_the_run(run, store):
    result = run("resample", *RECORDED, "--shell", "none", "--with-calls", "--json").json
    assert result["shell"] == "none; not sandbox: --shell none; not bashkit: --shell none"
    other = run("resample", *RECORDED, "--shell", "bashkit", "--with-calls", "--json").json
    assert other["shell"] == "bashkit; not sandbox: --shell bashkit"
    assert other["run"] != result["run"]
    with Store(store) as opened:
        manifest = opened.run(other["run"])["manifest"]
    assert (manifest["config"]["shell"], manifest["inputs"]["shell"]) == ("bashkit", other["shell"])
    refused = run("resample", *RECORDED, "--shell", "sandbox")
    assert refused.code == 1
    assert "the shell engine sandbox cannot be used: the sandbox needs bwrap" in refused.err


def test_recorded_actions_are_answered_judged_and_shown(run, store):
    done = run("resample", *RECORDED, "--with-calls", "--json")
    result = done.json
    assert result["ends"] == {"completed": 3}
    assert result["model_calls"] == 0
    assert result["shell"] == "bashkit; not sandbox: the sandbox needs bwrap (Debian: bubblewrap)"
    assert set(result["rungs"]) == {"computed", "unanswered"}
    assert result["grades"]["computed"] == {"equal": result["rungs"]["computed"]}
    assert "3 rollouts, 0 sessions left out" in done.err
    again = run("resample", *RECORDED, "--with-calls")
    assert "(resumed)" in again.err
    assert "3 completed" in again.out

    realism = run("discriminate", result["run"][:4], "--judge", "none", "--json").json
    assert realism["judge"] is None
    assert sum(realism["population"].values()) == result["rungs"]["computed"]
    assert "no judge: nothing was judged" in run("discriminate", "--judge", "none").out

    report = run("report", "--output", "page.html", "--json").json
    assert report == {"run": result["run"], "output": "page.html"}
    assert "Content-Security-Policy" in (store.parent / "page.html").read_text("utf-8")
    assert "cannot write missing/page.html" in run("report", "-o", "missing/page.html").sentence
    assert "no run that begins with 'zz'" in run("report", "zz").sentence


def test_answering_from_the_record_is_called_an_identity_run(run, store):
    done = run("resample", *RECORDED, "--rungs", "recorded", "--affordances", "rollout", "--with-calls")
    assert "identity run, not a measurement" in done.err
    assert "identity run, not a measurement" in done.out
    assert "unanswered" not in done.out


def test_run_does_everything_in_one_command(run, prepared):
    done = run(
        "run",
        CODEX,
        "--repository",
        prepared / "repository.git",
        *RECORDED,
        "--judge",
        "none",
        "-o",
        "r.html",
        "--json",
    )
    assert done.code == 0
    assert (done.json["import"]["added"], done.json["resample"]["ends"]) == (1, {"completed": 1})
    assert done.json["realism"]["population"]
    shown = run("run", CODEX, *RECORDED, "--judge", "none")
    assert "0 added, 1 known already" in shown.out
    assert "1 completed" in shown.out


def test_a_wrong_endpoint_is_a_sentence_in_each_rollout_and_loses_nothing(run, store):
    done = run("resample", "--candidate", NOWHERE, "--simulator", "none", "--agent", "codex", "--json")
    assert done.code == 0
    assert done.json["ends"] == {"failed: candidate": 1}
    assert "EndpointError: cannot reach http://127.0.0.1:9/v1" in done.err
    shown = run("report", "-o", "r.html")
    assert shown.code == 0
    assert "cannot reach http://127.0.0.1:9/v1" in (store.parent / "r.html").read_text("utf-8")


def test_a_judge_that_cannot_be_reached_drops_its_pairs(run, store):
    run("resample", *RECORDED, "--agent", "claude-code", "--with-calls", "--forcing", "free", "--json")
    done = run("discriminate", "--judge", NOWHERE, "--fakes", "1", "--pairs", "1", "--json")
    assert done.code == 0
    assert set(done.json["invalid"]) == {"EndpointError"}
    assert done.json["headline"]["estimate"] is None


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--candidate", "gpt-5"], "gpt-5 needs OPENAI_API_KEY in the environment"),
        (["--candidate", "m@http://me:secret@h/v1"], "the endpoint of m may hold no credentials"),
        (["--candidate", "recorded", "--rungs", "guessed"], "setting rungs: guessed: not one of"),
        (["--candidate", "m", "--forcing", "free"], "recorded actions need forcing"),
        (["--session", "nobody", *RECORDED], "no session in deploysim.db begins with 'nobody'"),
    ],
)
def test_a_run_that_cannot_start_is_one_sentence(run, store, arguments, sentence):
    done = run("resample", *arguments)
    assert sentence in done.sentence
    assert "secret" not in done.err


def test_a_file_of_settings_is_taken_and_a_wrong_one_is_one_sentence(run, store):
    (store.parent / "run.yaml").write_text("candidate: recorded\nsimulator: none\nmax_steps: 1\n")
    done = run("resample", "--config", "run.yaml", "--agent", "codex", "--json")
    assert (done.json["ends"], done.json["identity_run"]) == ({"completed": 1}, False)
    (store.parent / "bad.yaml").write_text("colour: red\n")
    assert run("resample", "--config", "bad.yaml").sentence == "setting colour: Extra inputs are not permitted"


def test_the_pairs_of_a_run_are_exported_and_the_report_pool_is_refused_for_tuning(run, store, tmp_path):
    played = run("resample", *RECORDED, "--with-calls", "--json").json
    done = run("pairs", played["run"], "-o", str(tmp_path / "pairs.jsonl"), "--json")
    lines = [json.loads(line) for line in (tmp_path / "pairs.jsonl").read_text("utf-8").splitlines()]
    assert len(lines) == done.json["pairs"] > 0
    assert {line["label"] for line in lines} == {"headline"}
    assert "for the headline, same model and not identical:" in run("pairs").out
    assert "removed from both sides" in run("pairs", "--strip-scaffold").out
    pools = {line["pool"] for line in lines}
    if "report" in pools:
        assert "which nothing is tuned on" in run("pairs", "--purpose", "tune").sentence
    else:
        assert "has no pair of the report pool" in run("pairs", "--purpose", "report").sentence


def test_several_judges_stand_side_by_side_and_none_is_not_one_of_them(run, store):
    run("resample", *RECORDED, "--with-calls")
    done = run("discriminate", "--judge", NOWHERE, "--judge", NOWHERE.replace("m@", "n@"), "--fakes", "1", "--pairs",
               "1", "--json")  # fmt: skip
    assert [j["judge"] for j in done.json["judges"]] == ["m", "n"]
    assert done.json["agreement"][0]["agreement"] is None
    assert run("discriminate", "--judge", "none", "--judge", NOWHERE).code == 2


def test_a_rubric_that_cannot_be_asked_drops_its_grades(run, store):
    run("resample", *RECORDED, "--with-calls")
    done = run("rubric", "--judge", NOWHERE, "--fakes", "1", "--pairs", "0", "--json")
    assert done.json["invalid"] == {"EndpointError": 5}
    assert {row["mean"] for row in done.json["table"]} == {None}
    assert run("rubric", "--judge", "none").sentence.startswith("a rubric needs a judge")
