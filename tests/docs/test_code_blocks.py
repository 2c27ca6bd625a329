"""Code blocks of the documents that can be checked without a system; tests/e2e/test_documents.py runs the others."""

from __future__ import annotations

import ast
import json
import re
import subprocess
from collections.abc import Callable

import pytest
import yaml

from tests.documents import DOCUMENTS, ROOT, Block, blocks


@pytest.mark.parametrize("block", blocks("sh"), ids=str)
def test_commands_are_correct_for_the_shell(block: Block) -> None:
    done = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("block", blocks("json", "yaml", "python"), ids=str)
def test_what_is_shown_can_be_parsed(block: Block) -> None:
    parse: dict[str, Callable[[str], object]] = {"json": json.loads, "yaml": yaml.safe_load, "python": ast.parse}
    parse[block.language](block.text)


def test_every_document_and_every_block_is_seen() -> None:
    tracked = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode == 0:  # not in an archive of the sources
        assert {str(each.relative_to(ROOT)) for each in DOCUMENTS} >= set(tracked.stdout.split())
    fences = sum(len(re.findall(r"^\s*(?:```|~~~)", each.read_text(encoding="utf-8"), re.M)) for each in DOCUMENTS)
    assert fences == 2 * len(blocks())
    assert {block.language for block in blocks()} <= {"", "sh", "python", "json", "yaml", "mermaid"}


def test_every_block_says_in_which_language_it_is() -> None:
    """Or shows a picture, a tree, or the output of commands; these are told by their first character."""
    for block in blocks(""):
        assert block.text[0] in "$" or re.search(r"[─►]|^\S+/ ", block.text), str(block)


def test_no_command_is_outside_a_block_that_is_checked() -> None:
    command = re.compile(r"^ {4}(curl|platelane|docker|make|python|\.venv)\b", re.MULTILINE)
    for document in DOCUMENTS:
        assert not command.search(document.read_text(encoding="utf-8")), document.relative_to(ROOT)


def test_there_is_a_reason_where_a_block_is_not_run() -> None:
    for block in blocks():
        text = block.document.read_text(encoding="utf-8").splitlines()
        above = text[block.line - 2] if block.line > 1 else ""
        if above.startswith("<!--"):
            assert block.reason or block.is_endless, str(block)
