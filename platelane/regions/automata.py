"""Turns regular expressions over plate texts into automata that guide the reading.

An expression matches a whole text, ignoring case. Texts are lower-case letters and digits without separators, so
separators in an expression match nothing. Expressions come from callers, so time and memory are limited by a budget.
The automaton is the position automaton (Glushkov 1961), with one state per character of the expression, after
repetitions have been expanded. It is never determinised, because `.*a.{30}` would then need 2^30 states.
"""

from __future__ import annotations

import re
import string
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import accumulate
from typing import Final

from greenery import Charclass, Pattern, parse
from greenery.parse import NoMatch
from greenery.rxelems import Conc, Mult

from platelane.errors import BadRequest

ALPHABET: Final = string.digits + string.ascii_lowercase
MAX_FORMATS: Final = 20
MAX_LENGTH: Final = 100
"""Characters of one expression."""
MAX_NESTING: Final = 10
"""Depth of nested groups, which slow the parser down more than anything else."""
_BUDGET: Final = 2_000
"""Total of positions, transitions and steps for the expressions of one request."""
_TRUSTED_BUDGET: Final = 1_000_000
_SEPARATORS: Final = " -.·/"
_ANCHORS: Final = {Charclass("^"), Charclass("$")}
_CLASS_OR_ESCAPE: Final = re.compile(r"(\[\^?)((?:\\.|[^\\\]])+)\]|\\(.)", re.DOTALL)
_ESCAPED: Final = "()*+.?[\\]{|}"
"""Characters that the parser requires to be escaped outside of classes."""
_ZERO_WIDTH: Final = {"A": "^", "Z": "$", "b": ""}
"""Zero-width escapes, rewritten. The whole text is matched, so word boundaries are only at its ends."""

START: Final = 0


@dataclass(frozen=True, slots=True)
class Automaton:
    """A nondeterministic automaton whose states, except the first, each read one character.

    `labels[state]` are the characters that lead into a state; `START` has none. `moves` are pairs (from, to). A text is
    accepted if it ends in one of `finals`.
    """

    labels: tuple[frozenset[str], ...]
    moves: frozenset[tuple[int, int]]
    finals: frozenset[int]

    def accepts(self, text: str) -> bool:
        following = _following(self)
        states = {START}
        for character in text:
            states = {after for state in states for after in following[state] if character in self.labels[after]}
        return not states.isdisjoint(self.finals)


@lru_cache(maxsize=32)
def _following(automaton: Automaton) -> tuple[tuple[int, ...], ...]:
    """For each state, the states that its moves lead to."""
    following: list[list[int]] = [[] for _ in automaton.labels]
    for before, after in automaton.moves:
        following[before].append(after)
    return tuple(map(tuple, following))


def text_formats(expressions: Sequence[str]) -> Automaton:
    """An automaton for texts that match any of a caller's expressions.

    Raises:
        BadRequest: there are too many expressions, or one is too long, too large, invalid, or uses backreferences or
            assertions.
    """
    if len(expressions) > MAX_FORMATS:
        raise BadRequest(f"text_formats has more than {MAX_FORMATS} expressions.")
    return _text_formats(tuple(expressions))


@lru_cache(maxsize=32)
def _text_formats(expressions: tuple[str, ...]) -> Automaton:
    builder = _Builder(_BUDGET)
    for expression in expressions:
        _check(expression)
        try:
            builder.add(_parse(expression))
        except _TooLarge:
            raise _refusal(expression, "its repetitions make it too large") from None
        except (_Unmatched, _Misplaced) as error:
            raise _refusal(expression, str(error)) from None
    return builder.automaton()


@lru_cache(maxsize=64)
def templates(expressions: tuple[str, ...]) -> Automaton:
    """An automaton for texts that match any of our own templates, with equivalent states merged."""
    builder = _Builder(_TRUSTED_BUDGET)
    for expression in expressions:
        builder.add(_template(expression))
    return _merged(builder.automaton())


@cache
def _template(expression: str) -> Pattern:
    """A parsed template, cached because parsing takes most of the time, and callers combine templates in many ways."""
    return parse(expression)


class _TooLarge(Exception):
    """The budget is used up."""


class _Unmatched(Exception):
    """A part of the expression cannot match any plate."""


class _Misplaced(Exception):
    """An anchor is not at an end of the text."""


def _refusal(expression: str, reason: str) -> BadRequest:
    return BadRequest(f"text_formats: {expression[:MAX_LENGTH]!r} cannot be used: {reason}.")


def _check(expression: str) -> None:
    if len(expression) > MAX_LENGTH:
        raise _refusal(expression, f"it has more than {MAX_LENGTH} characters")
    if _nesting(expression) > MAX_NESTING:
        raise _refusal(expression, f"its groups are nested more than {MAX_NESTING} deep")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            re.compile(expression)
        except (re.error, OverflowError, RecursionError) as error:
            raise _refusal(expression, str(error)) from None


def _nesting(expression: str) -> int:
    """The largest number of groups that are open at once, not counting parentheses in classes and escapes."""
    steps = ({"(": 1, ")": -1}.get(character, 0) for character in _CLASS_OR_ESCAPE.sub("", expression))
    return max(accumulate(steps), default=0)


def _parse(expression: str) -> Pattern:
    """Raises BadRequest for parts of Python's syntax that go beyond regular expressions."""
    plain = _CLASS_OR_ESCAPE.sub(_plain, expression.removeprefix("(?i)"))
    plain = re.sub(r"\{,(\d+)\}", r"{0,\1}", plain)
    try:
        return parse(plain)
    except (NoMatch, ValueError, IndexError, RecursionError):
        reason = "only characters, classes, groups, alternatives and repetitions are understood"
        raise _refusal(expression, reason) from None


def _plain(found: re.Match[str]) -> str:
    """A class, or an escape outside of classes, without escapes that Python allows but the parser does not."""
    opening, inside, escaped = found.groups()
    if escaped is None:
        # a hyphen at either end of a class stands for itself
        inside = re.sub(r"^-|(?<!\\)-$|(?<!\\)[\[^]", r"\\\g<0>", inside)
        return opening + re.sub(r"\\([^\w\\\[\]^-])", r"\1", inside) + "]"
    if escaped in _ZERO_WIDTH:
        return _ZERO_WIDTH[escaped]
    if escaped in "^$":
        raise _Unmatched(f"no plate has {escaped}")
    return str(found[0]) if escaped.isalnum() or escaped in _ESCAPED else str(escaped)


@dataclass(frozen=True, slots=True)
class _Fragment:
    """The states that a part of an expression begins and ends with, and whether it also matches the empty text."""

    first: frozenset[int]
    last: frozenset[int]
    nullable: bool


@dataclass(frozen=True, slots=True)
class _Edges:
    """Whether a part is at the start of the text, and whether it is at the end."""

    start: bool
    end: bool


_NOTHING: Final = _Fragment(frozenset(), frozenset(), True)
_ONE: Final = 1


class _Builder:
    def __init__(self, budget: int) -> None:
        self._left = budget
        self._labels: list[frozenset[str]] = [frozenset()]
        self._moves: set[tuple[int, int]] = set()
        self._finals: set[int] = set()

    def add(self, pattern: Pattern) -> None:
        """Also accept texts that match the pattern."""
        part = self._any_of(pattern, _Edges(True, True))
        self._connect(frozenset({START}), part.first)
        self._finals |= part.last
        if part.nullable:
            self._finals.add(START)

    def automaton(self) -> Automaton:
        return Automaton(tuple(self._labels), frozenset(self._moves), frozenset(self._finals))

    def _spend(self, amount: int) -> None:
        self._left -= amount
        if self._left < 0:
            raise _TooLarge

    def _connect(self, before: frozenset[int], after: frozenset[int]) -> None:
        self._spend(len(before) * len(after))
        self._moves |= {(one, other) for one in before for other in after}

    def _any_of(self, alternatives: Pattern, edges: _Edges) -> _Fragment:
        """The alternatives that can match a plate; raises the problem of the last one if none can."""
        parts: list[_Fragment] = []
        problem: _Unmatched | None = None
        for conc in alternatives.concs:
            try:
                parts.append(self._sequence(conc, edges))
            except _Unmatched as error:
                problem = error
        if problem and not parts:
            raise problem
        return _Fragment(
            frozenset().union(*(part.first for part in parts)),
            frozenset().union(*(part.last for part in parts)),
            any(part.nullable for part in parts),
        )

    def _sequence(self, conc: Conc, edges: _Edges) -> _Fragment:
        mults = _without_anchors(conc, edges)
        whole = _NOTHING
        for place, mult in enumerate(mults):
            once = str(mult.multiplier) in ("", "?")
            own = _Edges(once and edges.start and place == 0, once and edges.end and place == len(mults) - 1)
            whole = self._then(whole, self._repeated(mult, own))
        return whole

    def _then(self, one: _Fragment, other: _Fragment) -> _Fragment:
        self._spend(_ONE)
        self._connect(one.last, other.first)
        return _Fragment(
            one.first | other.first if one.nullable else one.first,
            one.last | other.last if other.nullable else other.last,
            one.nullable and other.nullable,
        )

    def _repeated(self, mult: Mult, edges: _Edges) -> _Fragment:
        least, most = mult.multiplier.min.v or 0, mult.multiplier.max.v
        whole = _NOTHING
        for _ in range(least):
            whole = self._then(whole, self._once(mult.multiplicand, edges))
        try:
            return self._optionally(whole, mult.multiplicand, None if most is None else most - least, edges)
        except _Unmatched:
            return whole

    def _optionally(
        self, whole: _Fragment, multiplicand: Pattern | Charclass, times: int | None, edges: _Edges
    ) -> _Fragment:
        """`whole`, followed by up to `times` repetitions (None: any number) of `multiplicand`."""
        if times is None:
            again = self._once(multiplicand, edges)
            self._connect(again.last, again.first)
            return self._then(whole, _Fragment(again.first, again.last, True))
        for _ in range(times):
            once = self._once(multiplicand, edges)
            whole = self._then(whole, _Fragment(once.first, once.last, True))
        return whole

    def _once(self, multiplicand: Pattern | Charclass, edges: _Edges) -> _Fragment:
        self._spend(_ONE)
        if isinstance(multiplicand, Pattern):
            return self._any_of(multiplicand, edges)
        label = _characters(multiplicand)
        if not label:
            return _NOTHING
        state = frozenset({len(self._labels)})
        self._labels.append(label)
        return _Fragment(state, state, False)


def _without_anchors(conc: Conc, edges: _Edges) -> Sequence[Mult]:
    """The parts without anchors at the ends of the text, which have no effect because the whole text is matched."""
    mults = list(conc.mults)
    if edges.start and mults and str(mults[0]) == "^":
        del mults[0]
    if edges.end and mults and str(mults[-1]) == "$":
        del mults[-1]
    return mults


@lru_cache(maxsize=1024)
def _characters(among: Charclass) -> frozenset[str]:
    """The characters of plates in the class; none for separators."""
    in_either_case = all if among.negated else any
    found = frozenset(c for c in ALPHABET if in_either_case(among.accepts(case) for case in (c, c.upper())))
    if not found and not any(among.accepts(separator) for separator in _SEPARATORS):
        if among in _ANCHORS:
            raise _Misplaced("^ and $ may stand only at the ends of an alternative")
        raise _Unmatched(f"no plate has {among}")
    return found


def _merged(automaton: Automaton) -> Automaton:
    """The same language with fewer states. States with the same label and predecessors are merged, and so are states
    with the same label and successors, until nothing changes."""
    while True:
        before = len(automaton.labels)
        for forward in (True, False):
            near: list[set[int]] = [set() for _ in automaton.labels]
            for one, other in automaton.moves:
                near[other if forward else one].add(one if forward else other)
            keys = [
                (state == START, label, frozenset(near[state]), None if forward else state in automaton.finals)
                for state, label in enumerate(automaton.labels)
            ]
            numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
            group = [numbers[key] for key in keys]
            automaton = Automaton(
                tuple(label for _, label, _, _ in numbers),
                frozenset((group[one], group[other]) for one, other in automaton.moves),
                frozenset(group[state] for state in automaton.finals),
            )
        if len(automaton.labels) == before:
            return automaton
