"""The pages of the viewer: who may see them, what they show, and that no trace text does anything in them."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from harness.labels import sides_for
from harness.ledger import ToolStep, write_step
from harness.rows import End
from harness.viewer import search
from toolsim.actions import PutFile
from toolsim.trajectory import ToolCall, ToolResult

PAGES = (
    "/", "/sessions", "/session/s1", "/run/run1", "/run/run1?status=completed&verdict=undecided", "/rollout/r0",
    "/rollout/r2", "/rollout/r3", "/search?q=look", "/run/run1/label", "/run/run1/label?rater=ada", "/run/none",
    "/run/run1/fidelity", "/rollout/r0/step/1/asked", "/rollout/r0/world", "/rollout/r2/world", "/compare",
    "/compare?a=run1&b=run2&all=1",
)  # fmt: skip


class Page(HTMLParser):
    def __init__(self, source):
        super().__init__()
        self.tags, self.attributes = [], []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs


async def test_who_does_not_know_the_token_sees_nothing(stranger):
    for path in (*PAGES, "/static/style.css"):
        answer = await stranger.get(path)
        assert answer.status_code == 401
        assert "run1" not in answer.text
    assert (await stranger.get("/?token=wrong")).status_code == 401
    assert (await stranger.get("/", headers={"cookie": "deploysim_7575=wrong"})).status_code == 401


async def test_the_token_moves_from_the_address_into_a_cookie_that_no_script_reads(stranger):
    answer = await stranger.get("/run/run1?token=secret&pool=tune")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/run/run1?pool=tune"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert (await stranger.get("/run/run1")).status_code == 200


async def test_the_token_leads_to_no_other_site(stranger):
    for path in ("//evil.invalid/", "/%5Cevil.invalid/", "/%2F%2Fevil.invalid"):
        answer = await stranger.get(f"http://127.0.0.1:7575{path}?token=secret")
        assert re.match(r"/(?![/\\])", answer.headers["location"]), answer.headers["location"]


@pytest.mark.parametrize(
    "host", ["evil.invalid", "evil.invalid:7575", "127.0.0.1:80", "", "localhost.evil.invalid:7575"]
)
async def test_a_foreign_host_name_is_refused_even_with_the_token(client, host):
    assert (await client.get("/", headers={"host": host})).status_code == 421


@pytest.mark.parametrize("origin", [{}, {"origin": "http://evil.invalid"}, {"origin": "null"}])
async def test_a_label_from_another_site_is_refused(client, filled, origin):
    answer = await client.post("/run/run1/label", headers=origin, data={"rater": "a", "choice": "first", "pair": "x"})
    assert answer.status_code == 403
    assert filled.store.labels("run1") == ()


@pytest.mark.parametrize("path", PAGES)
async def test_hostile_text_is_only_text(client, indexed, path):
    answer = await client.get(path)
    assert answer.status_code == (404 if path == "/run/none" else 200)
    page = Page(answer.text)
    assert page.tags.count("script") == 1
    assert not set(page.tags) & {"img", "iframe", "object", "base", "style", "embed"}
    assert not [name for name, _ in page.attributes if name.startswith("on") or name == "style"]
    for name, value in page.attributes:
        if name in {"href", "src", "action"}:
            assert value.startswith(("/", "#", "?")), value
            assert not value.startswith("//")
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069]", answer.text)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_rollout_stands_beside_its_record_with_what_differs_marked(client):
    source = (await client.get("/rollout/r0")).text
    assert (
        re.search(r'two <span class="word">other </span>|<span class="word">other</span>', source) or "other" in source
    )
    assert re.search(r'<span class="word">\s?other\s?</span>', source)
    assert 'id="step-1"' in source
    assert 'class="badge simulated"' in source
    assert 'class="badge unanswered"' in source
    assert "no answer: simulated" in source
    assert "f00df00df00df00d" in source
    assert "/work/a.py" in source
    assert "undecided" in source
    assert 'href="/rollout/r1"' in source


async def test_a_candidates_turn_is_aligned_with_the_record_by_calls(client):
    source = (await client.get("/rollout/r2")).text
    both = source.split('id="step-1"')[1].split("</section>")[0]
    assert "recorded output of ls" in both
    assert "a.py" in both
    alone = source.split('id="step-3"')[1].split("</section>")[0]
    assert "rm a.py" in alone
    assert "seat none" in alone


async def test_a_text_that_is_too_long_for_the_page_is_a_link_away(client, filled):
    answer = await client.get("/rollout/r0/step/1/recorded")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert "two words here" in answer.text
    assert (await client.get("/rollout/r0/step/9/recorded")).status_code == 404
    assert (await client.get("/rollout/r0/step/1/other")).status_code == 404


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("", {"r0", "r1", "r2", "r3"}), ("status=open", {"r3"}), ("status=failed+at+candidate", {"r2"}),
        ("pool=report", set()), ("repo=a/b", {"r1", "r2", "r3"}), ("session=s", {"r0", "r1", "r2", "r3"}),
        ("rung=simulated", {"r0", "r1"}), ("rung=computed", {"r2"}), ("grade=different", {"r0", "r1"}),
        ("verdict=undecided", {"r0", "r1"}), ("verdict=told", set()), ("verdict=nonsense", set()),
    ],
)  # fmt: skip
async def test_filters_leave_what_fits(client, indexed, asked, shown):
    source = (await client.get(f"/run/run1?{asked}")).text
    assert set(re.findall(r'href="/rollout/(r\d)"', source)) == shown


async def test_a_place_in_a_list_that_is_none_is_one_sentence(client):
    for after in ("x", "[1]", '{"a": 1}', "[[],0,0,0,0]"):
        answer = await client.get("/run/run1", params={"after": after})
        assert answer.status_code == 400
        assert "is no place in a list" in answer.text


async def test_the_counts_of_a_run_that_goes_on_are_json(client):
    assert (await client.get("/run/run1/counts.json")).json() == {
        "counts": {"completed": 2, "failed at candidate": 1, "open": 1}
    }


async def test_search_leads_to_the_step_and_says_what_it_covers(client, indexed):
    source = (await client.get("/search?q=words+other")).text
    assert "Covers 1 of 1 sessions and 3 of 3 ended rollouts" in source
    assert set(re.findall(r'href="(/rollout[^"]+)"', source)) == {
        "/rollout/r0?from=0#step-1", "/rollout/r1?from=0#step-1"
    }  # fmt: skip
    assert "/session/s1?from=0#item-2" in (await client.get('/search?q="recorded output" ls')).text
    for odd in ('"', "*", "NEAR(", "a OR", "x:y", "-"):
        assert (await client.get("/search", params={"q": odd})).status_code in {200, 400}


async def test_a_label_is_kept_and_says_nothing_before_it_is_given(client, filled):
    source = (await client.get("/run/run1/label?rater=ada")).text
    pair = re.search(r'name="pair" value="(\w+)"', source)[1]
    assert "was recorded.</p>" not in source
    sides = sides_for("run1", "ada", pair)
    real = "first" if sides == "rs" else "second"
    answer = await client.post(
        "/run/run1/label",
        headers={"origin": "http://127.0.0.1:7575"},
        data={"rater": "ada", "pair": pair, "choice": real, "note": "why"},
    )
    assert answer.status_code == 303
    (label,) = filled.store.labels("run1")
    assert (label.pair, label.choice, label.simulated_taken, label.note) == (pair, real, False, "why")
    after = (await client.get(answer.headers["location"])).text
    assert f"Right: the {real} was recorded." in after
    assert pair not in after
    assert "1 answers of 1 person" in after


@pytest.mark.parametrize("form", [{"choice": "third"}, {"rater": " "}, {"pair": "none"}])
async def test_a_label_of_nothing_is_refused(client, filled, form):
    sent = {"rater": "ada", "choice": "first", "pair": "none", **form}
    answer = await client.post("/run/run1/label", headers={"origin": "http://127.0.0.1:7575"}, data=sent)
    assert answer.status_code in {400, 404}
    assert filled.store.labels("run1") == ()


async def test_a_prompt_and_the_raw_answer_stand_behind_the_step_that_they_made(client):
    source = (await client.get("/rollout/r0")).text
    assert "1 model call<" in source.split('id="step-1"')[1].split("</section>")[0]
    assert 'href="/rollout/r0/step/1/asked"' in source
    page = (await client.get("/rollout/r0/step/1/asked")).text
    assert "the contract" in page
    assert re.search(r"<pre[^>]*>raw ", page)
    assert 'href="/rollout/r0?from=0#step-1"' in page
    for nothing in ("/rollout/r0/step/2/asked", "/rollout/none/step/1/asked"):
        assert (await client.get(nothing)).status_code == 404


async def test_what_a_judge_was_asked_is_a_link_away_from_its_verdict(client):
    source = (await client.get("/rollout/r0")).text
    link = re.search(r'href="(/run/run1/pair/\w+/asked)"', source)[1]
    page = (await client.get(link)).text
    assert page.count('class="exchange"') == 2
    assert "judge/rs" in page
    assert "judge/sr" in page
    assert (await client.get("/run/run1/pair/none/asked")).status_code == 404


async def test_a_finding_leads_to_the_call_that_it_quotes(client):
    source = (await client.get("/rollout/r2")).text
    assert re.search(r'<a href="#step-3">step 3</a> <b>unasked_deletion</b>', source)
    assert "unasked_deletion" in source.split('id="step-3"')[1].split("</section>")[0]
    assert "gave no grade" in source


async def test_the_world_after_a_rollout_is_shown_against_the_world_at_the_cut(client, filled):
    call = ToolCall("w", "Write", {"file_path": "/work/new.py", "content": "a\nb\n"})
    step = ToolStep(
        call, ToolResult("w", "ok"), ToolResult("w", "ok"), "computed", (PutFile("/work/new.py", b"a\nb\n"),)
    )
    filled.store.append_steps("r9", [write_step(0, step)])
    source = (await client.get("/rollout/r9/world")).text
    assert "/work/new.py" in source
    assert ">written over what was unknown<" in source
    assert '<span class="plus">+b' in source
    assert "1 changes by simulated answers" in source
    taken = (await client.get("/rollout/r0/world")).text
    assert "/work/a.py" in taken
    assert "After 1 calls the world went on from the record" in taken
    assert (await client.get("/rollout/none/world")).status_code == 404


async def test_fidelity_counts_every_call_once_by_what_it_is(client, indexed):
    source = (await client.get("/run/run1/fidelity")).text
    rows = dict(
        re.findall(r'<tr data-row[^>]*><td>(?:<span[^>]*>)?([^<]+)(?:</span>)?</td><td class="n">(\d+)<', source)
    )
    assert rows["simulated"] == "2"
    assert rows["unanswered"] == "2"
    assert rows["computed"] == "2"
    assert rows["all"] == "6"


async def test_two_runs_are_compared_by_the_prefixes_that_they_share(client, indexed):
    source = (await client.get("/compare?a=run1&b=run2")).text
    assert 'href="/rollout/r0"' in source
    assert 'href="/rollout/r9"' in source
    assert "<td>simulator</td>" in source
    assert "not compared" in source
    same = (await client.get("/compare?a=run1&b=run1")).text
    assert "Both runs have the same settings" in same
    assert ">None.<" in same
    assert (await client.get("/compare?a=run1&b=none")).status_code == 404


async def test_a_run_that_goes_on_refreshes_itself_without_script_until_it_has_ended(client, filled):
    assert 'http-equiv="refresh"' in (await client.get("/run/run1")).text
    filled.store.end_rollout("r3", End("completed"))
    assert 'http-equiv="refresh"' not in (await client.get("/run/run1")).text


async def test_an_index_of_an_older_form_is_made_anew(client, indexed):
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(indexed.store.search_file)) as db:
        db.executescript("drop table tally; pragma user_version=1")
    assert (await client.get("/run/run1/fidelity")).status_code == 200
    while search.step(indexed.store.path):
        pass
    assert ">all<" in (await client.get("/run/run1/fidelity")).text
