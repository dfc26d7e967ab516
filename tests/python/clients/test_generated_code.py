"""The code of gRPC that is in the repository was generated from the present files in proto/."""

import subprocess
import sys

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from tests.python.conftest import ROOT

PROTOS = ("clip_in/v1/clip_in.proto", "inference/v2.proto")


def described(data: bytes) -> dict[str, bytes]:
    """The content of each file without comments, by name."""
    files = FileDescriptorSet.FromString(data).file
    for file in files:
        file.ClearField("source_code_info")
    return {file.name: file.SerializeToString(deterministic=True) for file in files}


def test_the_generated_code_is_that_of_the_files(tmp_path):
    out = tmp_path / "descriptors.bin"
    command = [sys.executable, "-m", "grpc_tools.protoc", "-Iproto", f"--descriptor_set_out={out}", *PROTOS]
    subprocess.run([*command, "--include_imports"], cwd=ROOT, check=True)
    generated = (ROOT / "src" / "api" / "grpc" / "generated" / "descriptors.bin").read_bytes()
    found, expected = described(generated), described(out.read_bytes())
    assert set(PROTOS) <= set(found)
    for name in PROTOS:
        assert found[name] == expected[name], (
            f"{name} was changed: run `make proto` and commit what it writes"
        )
