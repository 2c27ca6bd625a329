"""What is wrong with a value, in plain words: the sentences of the library that checks them name its own types."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

_MUST_BE: Final[Mapping[str, str]] = {
    "bool": "true or false",
    "datetime": "a time in ISO 8601, for example 2026-11-30T12:00:00Z",
    "dict": "an object",
    "finite": "a finite number",
    "float": "a number",
    "int": "a whole number",
    "ip": "a network such as 10.1.0.0/16",
    "list": "a list",
    "model": "an object",
    "string": "text",
    "timezone": "a time with its time zone, for example 2026-11-30T12:00:00Z",
    "tuple": "a list",
}
"""By the first word of an error's type, such as `int_parsing`, where none of the predicates is for exactly that."""
_PREDICATES: Final[Mapping[str, str]] = {
    "greater_than": "must be more than {gt:.16g}",
    "greater_than_equal": "must be at least {ge:.16g}",
    "less_than": "must be less than {lt:.16g}",
    "less_than_equal": "must be at most {le:.16g}",
    "string_too_short": "must have at least {min_length} character(s)",
    "string_too_long": "must have at most {max_length} character(s)",
    "too_short": "must have at least {min_length} item(s)",
    "too_long": "must have at most {max_length} item(s)",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "missing": "is missing",
    "extra_forbidden": "is not known",
    "json_invalid": "is not valid JSON: {error}",
}
_BY_MESSAGE: Final = re.compile(r"^(Input|String|Value|Data) should ")


def first_problem(error: ValidationError, whole: str = "The body") -> str:
    """The first thing that is wrong, as a sentence; `whole` names what was checked where no part of it is to blame."""
    problem = error.errors(include_url=False, include_input=False)[0]
    return sentence(problem, ".".join(map(str, problem["loc"])) or whole)


def sentence(problem: ErrorDetails, name: str) -> str:
    """What is wrong with the value that is called `name`."""
    kind, context = problem["type"], problem.get("ctx", {})
    if kind in _PREDICATES:
        predicate = _counted(_PREDICATES[kind].format_map(context))
    elif kind == "value_error":
        return f"{name}: {problem['msg'].removeprefix('Value error, ').removesuffix('.')}."
    elif must_be := _MUST_BE.get(kind.partition("_")[0]):
        predicate = f"must be {must_be}"
    elif _BY_MESSAGE.match(problem["msg"]):
        predicate = _BY_MESSAGE.sub("must ", problem["msg"])
    else:
        return f"{name}: {problem['msg']}."
    return f"{name} {predicate}."


def _counted(text: str) -> str:
    """`1 item`, `2 items`."""
    return re.sub(r"(\d+) (\w+)\(s\)", lambda found: f"{found[1]} {found[2]}{'' if found[1] == '1' else 's'}", text)
