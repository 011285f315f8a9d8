"""The pages of the viewer: who may see them, what they show, and that no trace text does anything in them."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from harness.labels import sides_for

PAGES = (
    "/", "/sessions", "/session/s1", "/run/run1", "/run/run1?status=completed&verdict=undecided", "/rollout/r0",
    "/rollout/r2", "/rollout/r3", "/search?q=look", "/run/run1/label", "/run/run1/label?rater=ada", "/run/none",
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
