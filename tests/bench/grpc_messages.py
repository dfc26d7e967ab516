"""Python code from our .proto, as a user makes it; for programs in the clients' environment."""

import importlib
import sys
import tempfile
import types

from grpc_tools import protoc

from tests.bench.paths import ROOT


def generated() -> tuple:
    """The modules of the messages and of the services, generated."""
    folder = tempfile.mkdtemp()
    paths = [f"-I{ROOT / 'proto'}", f"--python_out={folder}", f"--grpc_python_out={folder}"]
    if protoc.main(["", *paths, "clip_in/v1/clip_in.proto"]) != 0:
        raise SystemExit("the .proto does not compile")
    # The generated code imports `clip_in.v1.…`: a package of that name which lies in the folder.
    package = types.ModuleType("clip_in")
    package.__path__ = [f"{folder}/clip_in"]
    sys.modules["clip_in"] = package
    return tuple(importlib.import_module(f"clip_in.v1.clip_in_{kind}") for kind in ("pb2", "pb2_grpc"))


def messages():
    """The module of the messages."""
    return generated()[0]
