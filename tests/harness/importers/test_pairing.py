from hypothesis import given
from hypothesis import strategies as st

from harness.importers.pairing import CallBook, SkipCounts

IDS = st.sampled_from(["a", "b", "REDACTED", "toolu_REDACTED", None])


def test_reused_ids_become_unique_and_results_follow_the_order_of_the_calls():
    book = CallBook()
    first, second = book.add("Read", {}, None, "x"), book.add("Read", {}, None, "x")
    assert first.id == "x"
    assert second.id != "x"
    assert [book.answer("x"), book.answer("x"), book.answer("x")] == [first, second, None]


def test_a_redacted_result_goes_to_the_call_that_the_file_points_to():
    book = CallBook()
    first, second = book.add("Read", {}, None, "REDACTED"), book.add("Edit", {}, None, "REDACTED")
    assert book.answer("REDACTED", among=(second.id,)) == second
    assert book.answer("REDACTED") == first


def test_a_result_with_a_telling_id_never_answers_a_call_with_another_telling_id():
    book = CallBook()
    book.add("Read", {}, None, "a")
    assert book.answer("b") is None


def test_a_result_with_a_telling_id_may_answer_a_call_whose_id_was_blacked_out():
    book = CallBook()
    call = book.add("Read", {}, None, "REDACTED")
    assert book.answer("b") == call


@given(st.lists(st.tuples(st.sampled_from(["call", "result"]), IDS)))
def test_ids_are_unique_and_no_call_is_answered_twice(events):
    book, made, answered = CallBook(), [], []
    for kind, recorded in events:
        if kind == "call":
            made.append(book.add("t", {}, None, recorded).id)
        elif (call := book.answer(recorded)) is not None:
            answered.append(call.id)
    assert len(made) == len(set(made))
    assert len(answered) == len(set(answered))
    assert set(answered) <= set(made)
    assert all(book.is_open(i) == (i not in answered) for i in made)


def test_skips_of_one_reason_become_one_with_its_count(tmp_path):
    skips = SkipCounts(tmp_path / "f")
    for line in (3, 5, 9):
        skips.add(f"line {line}", "unknown record type 'x'")
    (skipped,) = skips
    assert (skipped.where, skipped.reason) == ("line 3", "unknown record type 'x' (3 times, first here)")
