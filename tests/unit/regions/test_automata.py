"""Regular expressions from callers: what they match, and what is refused, in bounded time."""

from __future__ import annotations

import itertools
import re
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platelane.errors import BadRequest
from platelane.regions import automata


@pytest.mark.parametrize(
    ("expression", "matches", "others"),
    [
        ("[A-Z]{3}[0-9]{4}", ["abc1234"], ["ab1234", "abc12345", "1bc1234"]),
        ("^[a-z]{2}$|^1+$", ["ab", "111"], ["a1", ""]),
        ("[A-Z]{2}[- ]?[0-9]{2}", ["ab12"], ["ab1"]),
        ("[A-Z0-9-]{3}", ["a1b"], ["a1"]),
        (r"\w\d.?", ["a1", "a1b"], ["aa"]),
        ("(?:a|b)+c{,2}", ["ab", "bcc"], ["c", "bccc"]),
        ("(?i)AB", ["ab"], ["a"]),
        ("[^a-z]b", ["1b"], ["ab"]),
        (r"\A\bab\b\Z", ["ab"], ["a", "abb"]),
        (r"[A-Z]{2}\-\d\/x", ["ab1x"], ["ab1"]),
        (r"[\.\-\w]{2}[a\/-]", ["a1a", "aaa"], ["a1", "a11"]),
        (r"(^[a-z]+$)|(^\d+$)", ["ab", "12"], ["a1"]),
        ("^(ab|cd$)", ["ab", "cd"], ["abcd"]),
        ("[äöü]*[a-z]+", ["ab"], ["1"]),
        ("(?:ä|a)?b|ü", ["b", "ab"], ["a"]),
        ("(^ab)?cd", ["cd", "abcd"], ["ab"]),
        (r"[a-z]+(\d$)?", ["ab", "ab1"], ["1"]),
        ("(a|é)*b", ["b", "aab"], ["a"]),
    ],
)
def test_what_an_expression_matches(expression: str, matches: list[str], others: list[str]) -> None:
    automaton = automata.text_formats([expression])
    assert all(automaton.accepts(text) for text in matches)
    assert not any(automaton.accepts(text) for text in others)


def test_groups_are_nested_up_to_a_limit_and_brackets_that_are_none_do_not_count() -> None:
    depth = automata.MAX_NESTING
    assert automata.text_formats(["(" * depth + "a" + ")" * depth]).accepts("a")
    assert automata.text_formats([r"[(((((((((((((((a]"]).accepts("a")
    assert automata.text_formats(["(a)" * 20]).accepts("a" * 20)
    with pytest.raises(BadRequest, match="nested more than 10 deep"):
        automata.text_formats(["(" * (depth + 1) + "a" + ")" * (depth + 1)])


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("[", "unterminated"),
        ("(((", "missing )"),
        ("*a", "nothing to repeat"),
        ("a" * 101, "more than 100 characters"),
        (r"(a)\1", "are understood"),
        ("(?=a)b", "are understood"),
        ("(?<!a)b", "are understood"),
        ("(^ab$)+c", "only at the ends"),
        ("(^a|b)*c", "only at the ends"),
        (r"a\Ab", "only at the ends"),
        (r"ab\$", "no plate has $"),
        ("a^b", "only at the ends"),
        ("é", "no plate has"),
        ("a{99999999999}", "too large"),
        ("a{2001}", "too large"),
        ("((((((a{9}){9}){9}){9}){9}){9})", "too large"),
        ("(((((){99}){99}){99}){99}){99}", "too large"),
        ("((((a?){20}){20}){20}){20}", "too large"),
        ("(a?){0,4000}", "too large"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(expression: str, reason: str) -> None:
    with pytest.raises(BadRequest) as refused:
        automata.text_formats([expression])
    assert reason in refused.value.detail


def test_the_budget_is_for_all_expressions_together() -> None:
    large = ["(a?){40}" + "b" * i for i in range(4)]
    automata.text_formats(large[:1])
    with pytest.raises(BadRequest, match="too large"):
        automata.text_formats(large)
    with pytest.raises(BadRequest, match="more than 20"):
        automata.text_formats(["a"] * 21)


@pytest.mark.parametrize(
    "expression",
    [
        ".*a.{30}",
        "(.*a.{9}|.*b.{9}|.*c.{9}|.*d.{9})",
        "(a|b|ab)*" * 11,
        "(a*)*" * 20,
        "(((a*)*)*)*b",
        "(?:" * 33,
        "(" * 50 + ")" * 50,
        "(" * 48 + "a" + ")*" * 25,
        "((a{1,9}){1,9}){1,9}",
        "[" * 100,
        "\\" * 99,
        "(x+x+)+y",
        "|" * 100,
    ],
)
def test_hostile_expressions_take_little_time_and_memory(expression: str) -> None:
    tracemalloc.start()
    started = time.process_time()
    try:
        automata.text_formats([expression])
    except BadRequest:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert time.process_time() - started < 1
    assert peak < 20 << 20


@given(st.text(st.sampled_from(r"ab1()[]{}|*+?^$.\,-2d "), max_size=100))
def test_anything_is_either_refused_or_an_automaton_of_bounded_size(expression: str) -> None:
    try:
        automaton = automata.text_formats([expression])
    except BadRequest:
        return
    assert len(automaton.labels) + len(automaton.moves) <= 4_001


@given(st.lists(st.sampled_from(["[a-c]{2}1?", "ab|cd", "[0-9]{1,3}a", "a[ab]*b", "abc1"]), min_size=1, max_size=4))
def test_merging_states_leaves_the_language_as_it_is(expressions: list[str]) -> None:
    automaton = automata.templates(tuple(expressions))
    texts = ["", "ab", "cd", "ab1", "12a", "aabab", "abc1", "abc", "a1", "ac1", "b"]
    for text in texts:
        assert automaton.accepts(text) == any(re.fullmatch(each, text) for each in expressions)


def _larger(smaller: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(smaller, smaller).map("".join),
        st.tuples(smaller, smaller).map(lambda pair: f"({pair[0]}|{pair[1]})"),
        st.tuples(smaller, st.sampled_from("?*+")).map(lambda pair: f"({pair[0]}){pair[1]}"),
    )


@given(st.recursive(st.sampled_from(["a", "b", "1", "[ab]", r"\d", "é", "^", "$"]), _larger, max_leaves=6))
def test_what_is_not_refused_means_what_it_means_to_python(expression: str) -> None:
    try:
        automaton = automata.text_formats([expression])
    except BadRequest:
        return
    for length in range(4):
        for characters in itertools.product("ab1", repeat=length):
            text = "".join(characters)
            assert automaton.accepts(text) == bool(re.fullmatch(expression, text)), text
