"""Python code from our .proto, as a user makes it; for programs in the clients' environment."""

import importlib
import sys
import tempfile

from grpc_tools import protoc
from paths import ROOT


def generated() -> tuple:
    """The modules of the messages and of the services, generated."""
    folder = tempfile.mkdtemp()
    paths = [f"-I{ROOT / 'proto'}", f"--python_out={folder}", f"--grpc_python_out={folder}"]
    if protoc.main(["", *paths, "clip_in/v1/clip_in.proto"]) != 0:
        raise SystemExit("the .proto does not compile")
    sys.path.insert(0, folder)
    return tuple(importlib.import_module(f"clip_in.v1.clip_in_{kind}") for kind in ("pb2", "pb2_grpc"))


def messages():
    """The module of the messages."""
    return generated()[0]
