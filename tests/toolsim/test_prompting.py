"""Prompts are rendered strictly and named by their source."""

from __future__ import annotations

import pytest
from jinja2 import TemplateNotFound, UndefinedError

from toolsim.prompting import prompt_hash, render


def test_a_prompt_has_text_and_the_hash_of_its_template():
    one, other = render("repair", complaints=["n: wrong"]), render("repair", complaints=["m: missing", "k: odd"])
    assert "- n: wrong" in one.text
    assert "- m: missing\n- k: odd" in other.text
    assert one.hash == other.hash == prompt_hash("repair")
    assert len(one.hash) == 16


def test_a_variable_that_is_not_given_fails():
    with pytest.raises(UndefinedError):
        render("repair")


def test_a_prompt_that_does_not_exist_fails():
    with pytest.raises(TemplateNotFound):
        render("no_such_prompt")


def test_other_packages_have_prompts_of_their_own():
    assert render("format_error_discussion", package="harness").hash != prompt_hash("repair")
