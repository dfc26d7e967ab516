"""The line of the plant, over HTTP: inspections with retries, and the scripted reviewer."""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.loop.parts import WORDS, Part

LINE = "mugs"
WRONG = 0.03
"""Share of the verdicts in which the reviewer errs."""


@dataclass
class Plant:
    """A running server, and what is true of the parts that it has seen."""

    url: str
    pictures: Path
    truth: dict[str, Part] = field(default_factory=dict)
    """Name -> part."""

    def ask(self, method: str, path: str, body: object = None, headers: dict | None = None) -> dict:
        """One request with JSON. Raises RuntimeError with what the server said."""
        data = None if body is None else json.dumps(body).encode()
        return self.send(method, path, data, {"content-type": "application/json", **(headers or {})})

    def send(self, method: str, path: str, data: bytes | None, headers: dict) -> dict:
        """One request."""
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=300) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.code} {error.read()[:500]!r}") from error

    def inspect(self, part: Part, key: str) -> dict:
        """Inspects a part. The same key again is the same inspection."""
        self.truth[part.label] = part
        query = urllib.parse.urlencode({"part": part.label, "lot": part.lot})
        headers = {"content-type": "image/png", "idempotency-key": f"{part.label}/{key}"}
        picture = part.file(self.pictures).read_bytes()
        for _ in range(100):
            try:
                return self.send("POST", f"/v1/lines/{LINE}/inspections?{query}", picture, headers)
            except RuntimeError as error:
                # Too much at once: as a camera's program does, it waits and sends again.
                if ": 429" not in str(error):
                    raise
                time.sleep(0.2)
        raise RuntimeError(f"{part.name} was refused a hundred times")

    def stream(self, parts: Iterable[Part], key: str, clients: int = 3) -> list[dict]:
        """The answers to parts, in their order."""
        with ThreadPoolExecutor(clients) as pool:
            return list(pool.map(lambda part: self.inspect(part, key), parts))

    def measure(self, parts: Iterable[Part], key: str) -> list[dict]:
        """The answers to parts, half of which are NG. The monitors take so many for a drift: a person ends each
        alarm at once, and the part is inspected again.
        """

        def one(part: Part) -> dict:
            for again in range(100):
                answer = self.inspect(part, f"{key}/{again}")
                if "drift" not in answer["reasons"]:
                    return answer
                self.ask("DELETE", f"/v1/lines/{LINE}/drift")
            raise RuntimeError(f"{part.name} met an alarm a hundred times")

        with ThreadPoolExecutor(3) as pool:
            return list(pool.map(one, parts))

    def review(self, name: str, most: int = 10_000) -> int:
        """Decides what waits for people, as one who knows the parts and errs now and then. Returns how many."""
        done = 0
        while done < most:
            asked = {"session": name, "limit": min(20, most - done)}
            held = self.ask("POST", f"/v1/lines/{LINE}/reviews", asked)["data"]
            if not held:
                return done
            for item in held:
                self.decide(item)
                done += 1
        return done

    def decide(self, item: dict) -> None:
        """The verdict about an inspection."""
        part = self.truth[item["part"]]
        errs = Random(f"verdict/{item['part']}").random() < WRONG
        said: dict = {"verdict": "ok"}
        if part.is_ng != errs:
            kind = part.kind or Random(item["part"]).choice(sorted(WORDS))
            said = {"verdict": "ng", "kind": kind, "caption": WORDS[kind]}
        self.ask("POST", f"/v1/inspections/{item['id']}/verdict", said)


@dataclass(frozen=True)
class Figures:
    """How a line decides parts whose truth is known."""

    ok: int
    ng: int
    ok_to_review: int
    ng_to_review: int
    escapes: int
    overkill: int

    @classmethod
    def of(cls, parts: list[Part], answers: list[dict]) -> "Figures":
        """Of answers in the order of the parts."""
        decided = [(part.is_ng, answer["decision"]) for part, answer in zip(parts, answers, strict=True)]
        ng = sum(part.is_ng for part in parts)
        return cls(
            ok=len(parts) - ng,
            ng=ng,
            ok_to_review=decided.count((False, "review")),
            ng_to_review=decided.count((True, "review")),
            escapes=decided.count((True, "ok")),
            overkill=decided.count((False, "ng")),
        )

    @property
    def review_share(self) -> float:
        """Of all parts."""
        return (self.ok_to_review + self.ng_to_review) / (self.ok + self.ng)

    def row(self) -> list[str]:
        """Cells of a table."""
        share = [
            (self.ok_to_review + self.ng_to_review, self.ok + self.ng),
            (self.ok_to_review, self.ok),
            (self.ng_to_review, self.ng),
            (self.escapes, self.ng),
            (self.overkill, self.ok),
        ]
        return [f"{100 * part / max(whole, 1):.1f} % ({part} of {whole})" for part, whole in share]
