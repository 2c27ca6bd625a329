"""Generate `platelane/pb` from the `.proto` files; with --check, fail if what is committed differs."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import grpc_tools
from google.rpc import status_pb2
from grpc_tools import protoc

PROTO = Path(__file__).resolve().parent
TARGET = PROTO.parent / "platelane" / "pb"
INCLUDES = [
    f"-I{folder}"
    for folder in (PROTO, Path(status_pb2.__file__).parents[2], Path(grpc_tools.__file__).parent / "_proto")
]
"""Ours, `google/rpc` (googleapis-common-protos) and `google/protobuf`."""
HEADER = '"""Generated from `proto/` by `make proto`; do not edit."""\n'


def generated() -> dict[str, str]:
    """File name below `platelane/pb` -> content."""
    sources = sorted((PROTO / "platelane" / "v1").glob("*.proto"))
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["protoc", *INCLUDES, f"--python_out={folder}", f"--pyi_out={folder}"]
        if protoc.main([*arguments, *map(str, sources)]) != 0:
            raise SystemExit("protoc failed")
        services = [source for source in sources if "\nservice " in source.read_text(encoding="utf-8")]
        if protoc.main(["protoc", *INCLUDES, f"--grpc_python_out={folder}", *map(str, services)]) != 0:
            raise SystemExit("protoc failed")
        root = Path(folder) / "platelane"
        # protoc derives Python imports from the proto paths; ours live in platelane.pb
        files = {
            str(path.relative_to(root)): path.read_text(encoding="utf-8").replace(
                "from platelane.v1 import", "from platelane.pb.v1 import"
            )
            for path in sorted(root.rglob("*.py*"))
        }
    return {"__init__.py": HEADER, "v1/__init__.py": HEADER, **files}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file differs")
    check = parser.parse_args().check
    files = generated()
    committed = {
        str(path.relative_to(TARGET)): path.read_text(encoding="utf-8")
        for path in TARGET.rglob("*.py*")
        if "__pycache__" not in path.parts
    }
    different = sorted(name for name in files.keys() | committed.keys() if files.get(name) != committed.get(name))
    if check:
        if different:
            sys.exit(f"platelane/pb differs from proto/: {', '.join(different)}; run `make proto` and commit")
        return
    for name, text in files.items():
        path = TARGET / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for name in committed.keys() - files.keys():
        (TARGET / name).unlink()


if __name__ == "__main__":
    main()
