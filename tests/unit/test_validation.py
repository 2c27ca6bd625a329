"""What is wrong with a value, in plain words."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator

from platelane import validation


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    word: Annotated[str, Field(min_length=1, max_length=3)] = "x"


class Document(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    name: str = ""
    count: Annotated[int, Field(ge=1, le=1_000_000_000)] = 1
    calls: Annotated[int, Field(le=2**53)] = 1
    share: Annotated[float, Field(gt=0, lt=0.5)] = 0.1
    kind: Literal["one", "two"] = "one"
    until: AwareDatetime | None = None
    words: Annotated[tuple[str, ...], Field(min_length=1, max_length=2)] = ("x",)
    inner: Inner = Inner()

    @field_validator("name")
    @classmethod
    def _readable(cls, name: str) -> str:
        if name == "?":
            raise ValueError("nobody is called so")
        return name


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("{", "The body is not valid JSON: EOF while parsing an object at line 1 column 1."),
        ("[]", "The body must be an object."),
        ('{"name": 1}', "name must be text."),
        ('{"name": "?"}', "name: nobody is called so."),
        ('{"other": 1}', "other is not known."),
        ('{"count": "1"}', "count must be a whole number."),
        ('{"count": 1.5}', "count must be a whole number."),
        ('{"count": 0}', "count must be at least 1."),
        ('{"count": 1000000001}', "count must be at most 1000000000."),
        ('{"calls": 9007199254740993}', "calls must be at most 9007199254740992."),
        ('{"share": 0}', "share must be more than 0."),
        ('{"share": 0.5}', "share must be less than 0.5."),
        ('{"share": NaN}', "share must be a finite number."),
        ('{"kind": "three"}', "kind must be 'one' or 'two'."),
        (
            '{"until": "2026-11-30T12:00:00"}',
            "until must be a time with its time zone, for example 2026-11-30T12:00:00Z.",
        ),
        ('{"until": "soon"}', "until must be a time in ISO 8601, for example 2026-11-30T12:00:00Z."),
        ('{"words": "x"}', "words must be a list."),
        ('{"words": []}', "words must have at least 1 item."),
        ('{"words": ["a", "b", "c"]}', "words must have at most 2 items."),
        ('{"inner": {"word": ""}}', "inner.word must have at least 1 character."),
        ('{"inner": {"word": "xxxx"}}', "inner.word must have at most 3 characters."),
        ('{"inner": []}', "inner must be an object."),
    ],
)
def test_a_problem_is_a_sentence(document: str, said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Document.model_validate_json(document)
    assert validation.first_problem(caught.value) == said


def test_what_has_no_words_of_its_own_has_the_librarys_without_its_beginning() -> None:
    problem: Any = {"type": "uuid_parsing", "loc": ("id",), "msg": "Input should be a valid UUID", "input": None}
    assert validation.sentence(problem, "id") == "id must be a valid UUID."
