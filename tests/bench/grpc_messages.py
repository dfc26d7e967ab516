"""Python code generated from the project's .proto, as by a user; for programs in the clients' environment."""

import importlib
import sys
import tempfile
import types

from grpc_tools import protoc

from tests.bench.paths import ROOT


def generated() -> tuple:
    """The generated modules of messages and services."""
    folder = tempfile.mkdtemp()
    paths = [f"-I{ROOT / 'proto'}", f"--python_out={folder}", f"--grpc_python_out={folder}"]
    if protoc.main(["", *paths, "clip_in/v1/clip_in.proto"]) != 0:
        raise SystemExit("the .proto does not compile")
    # The generated code imports `clip_in.v1.…`: a package of that name inside the folder.
    package = types.ModuleType("clip_in")
    package.__path__ = [f"{folder}/clip_in"]
    sys.modules["clip_in"] = package
    return tuple(importlib.import_module(f"clip_in.v1.clip_in_{kind}") for kind in ("pb2", "pb2_grpc"))


def messages():
    """The generated module of the messages."""
    return generated()[0]
