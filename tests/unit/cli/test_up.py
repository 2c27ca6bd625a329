from __future__ import annotations

import shlex

import pytest

from platelane.cli.up import curl_field


@pytest.mark.parametrize(
    ("file", "argument"),
    [
        ("samples/gate.jpg", "upload=@samples/gate.jpg"),
        ("my photo's.jpg", "upload=@my photo's.jpg"),
        ("a;b,c.jpg", 'upload=@"a;b,c.jpg"'),
        ('a"b\\c.jpg', 'upload=@"a\\"b\\\\c.jpg"'),
        ("$(rm) é😀.jpg", "upload=@$(rm) é😀.jpg"),
    ],
)
def test_any_file_can_be_sent_with_curl(file: str, argument: str) -> None:
    assert shlex.split(curl_field("upload", file)) == [argument]
