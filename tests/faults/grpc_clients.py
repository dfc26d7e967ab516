"""gRPC clients beside those of REST, if grpcio is installed: texts with known embeddings."""

import threading
import time

from tests.faults.clients import Load, Seen
from tests.faults.questions import TEXTS, same

try:
    import grpc

    from tests.bench.grpc_messages import messages
except ModuleNotFoundError:
    grpc = None

PATH = "/clip_in.v1.ClipIn/"


def available() -> bool:
    """Whether grpcio is installed."""
    return grpc is not None


class GrpcClients(Load):
    """gRPC clients, each with a channel."""

    def __init__(self, address: tuple[str, int], expected: dict[str, list[float]], count: int, rate: float):
        super().__init__(count, rate, deadline=20)
        self.address, self.expected = address, expected
        self._pb = messages()

    def client(self, number: int) -> None:
        # Retries of gRPC are off: they would hide failures. Each channel has one connection.
        options = [("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(f"{self.address[0]}:{self.address[1]}", options=options) as channel:
            pb = self._pb
            embed = channel.unary_unary(
                PATH + "Embed", pb.EmbedRequest.SerializeToString, pb.EmbedResponse.FromString
            )
            turn = number
            while not self.stop.wait(self.interval):
                text, begun = TEXTS[turn % len(TEXTS)], time.monotonic()
                turn += 1
                try:
                    answer = embed(pb.EmbedRequest(items=[pb.Item(text=text)]), timeout=self.deadline)
                except grpc.RpcError as error:
                    seen = Seen(
                        begun, time.monotonic(), f"gRPC {error.code().name}", f"gRPC: {error.details()}"
                    )
                else:
                    right = same(list(answer.embeddings[0].values), self.expected[text])
                    seen = Seen(begun, time.monotonic(), "200" if right else "wrong answer", f"gRPC: {text}")
                self.tally.seen.append(seen)


class NeverReading:
    """Streams of images whose answers are not read, inside the `with` block."""

    def __init__(self, address: tuple[str, int], image: bytes, count: int):
        self.sent = [0] * count
        """Number of images that the server took from each stream."""
        self._address, self._image, self._pb = address, image, messages()
        self._open, self._stop = [], threading.Event()

    def __enter__(self) -> "NeverReading":
        pb = self._pb
        for number in range(len(self.sent)):
            # Without the probe, the client's window stays at HTTP/2's initial size; otherwise it takes megabytes
            # unread.
            options = [("grpc.use_local_subchannel_pool", 1), ("grpc.http2.bdp_probe", 0)]
            channel = grpc.insecure_channel(f"{self._address[0]}:{self._address[1]}", options=options)
            stream = channel.stream_stream(
                PATH + "EmbedStream",
                pb.EmbedStreamRequest.SerializeToString,
                pb.EmbedStreamResponse.FromString,
            )
            self._open.append((channel, stream(self._images(number))))
        return self

    def _images(self, number: int):
        while not self._stop.is_set():
            self.sent[number] += 1
            yield self._pb.EmbedStreamRequest(item=self._pb.Item(image=self._image))

    def __exit__(self, *_exception) -> None:
        self._stop.set()
        for channel, call in self._open:
            call.cancel()
            channel.close()
