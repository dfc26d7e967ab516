"""Have each picture of a camera inspected by a line, over one connection: once each, whatever breaks.

    python examples/python/camera_loop.py board left 001.png 002.png

The arguments are the line, the station, and image files in the place of a camera: replace `frames`. It prints the
trigger number, the decision and the score of each picture, separated by tabs. The address is CLIP_IN_URL
(http://127.0.0.1:8080), the key CLIP_IN_API_KEY (none); it needs the role `inspect`.
"""

import os
import sys
import time
import uuid
from collections.abc import Iterator

import requests

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds between two requests for the same picture."""


def frames(names: list[str]) -> Iterator[tuple[int, bytes]]:
    """Trigger number and encoded image (PNG, JPEG, …) of each picture. Replace this with your camera, for example:

    while True:
        frame = camera.read()
        yield frame.number, cv2.imencode(".png", frame.pixels)[1].tobytes()

    Use the camera's own number if it has one: a gap shows that a picture is missing.
    """
    for trigger, name in enumerate(names, 1):
        with open(name, "rb") as file:
            yield trigger, file.read()


class Line:
    """A line of the server, and the connection to it."""

    def __init__(self, name: str, station: str):
        address = os.environ.get("CLIP_IN_URL", "http://127.0.0.1:8080")
        self.url = f"{address}/v1/lines/{name}/inspections"
        self.station = station
        # It keeps the connection: a new one for each picture would take longer than the request.
        self.session = requests.Session()
        if key := os.environ.get("CLIP_IN_API_KEY"):
            self.session.headers["authorization"] = f"Bearer {key}"

    def inspect(self, trigger: int, image: bytes) -> dict:
        """What the line says about a picture. Waits as long as the server is away.

        Raises RuntimeError with the server's reason if it does not take the picture.
        """
        # The same key for all attempts: if an answer was lost on its way, the next one is the same, with one row.
        headers = {"content-type": "application/octet-stream", "idempotency-key": str(uuid.uuid4())}
        pause = FIRST_PAUSE
        while True:
            try:
                answer = self.session.post(
                    self.url,
                    params={"trigger": trigger, "station": self.station},
                    data=image,
                    headers=headers,
                    timeout=60,
                )
            except (
                requests.ConnectionError,
                requests.Timeout,
                requests.exceptions.ChunkedEncodingError,
            ) as error:
                reason = str(error)
            else:
                if answer.ok:
                    return answer.json()
                if answer.status_code not in (408, 429) and answer.status_code < 500:
                    error = answer.json()["error"]
                    raise RuntimeError(f"{answer.status_code} {error['code']}: {error['message']}")
                reason = f"status {answer.status_code}"
            print(f"trigger {trigger}: {reason}; trying again in {pause} s", file=sys.stderr)
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)


def main() -> None:
    """Inspect until there are no more pictures."""
    line = Line(sys.argv[1], sys.argv[2])
    for trigger, image in frames(sys.argv[3:]):
        try:
            answer = line.inspect(trigger, image)
        except RuntimeError as error:
            sys.exit(f"trigger {trigger}: {error}")
        # Here the part is sorted out: `ok`, `ng`, or `review` if a person shall look.
        print(f"{trigger}\t{answer['decision']}\t{answer['score']}", flush=True)


if __name__ == "__main__":
    main()
