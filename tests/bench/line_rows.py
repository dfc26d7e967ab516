"""A database with a million inspections: rows written directly, in the schema that the server itself made.

One inspection over HTTP is the pattern. Its copies have ids of version 7 that are in the order of time, and differ in
decision, verdict and audit as on a line: 2 % go to review and 1 % are NG, a person has answered all of the review but
the last thousandth, and 2 % are audited.
"""

import json
import random
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path

FILE = "reviews.sqlite"
REVIEW, NG, AUDIT, UNANSWERED = 0.02, 0.01, 0.02, 0.001
MILLISECONDS_APART = 100
AT_A_TIME = 50_000


def fill(state: Path, count: int) -> None:
    """Adds copies of the only inspection in the store; the server must not run."""
    with sqlite3.connect(state / FILE) as store:
        store.execute("PRAGMA synchronous = OFF")
        store.row_factory = sqlite3.Row
        (pattern,) = store.execute("SELECT * FROM inspections").fetchall()
        (image,) = store.execute("SELECT * FROM inspection_images").fetchall()
        columns = pattern.keys()
        marks = ", ".join(f":{column}" for column in columns)
        insert = f"INSERT INTO inspections ({', '.join(columns)}) VALUES ({marks})"
        add_image = "INSERT INTO inspection_images (inspection, place, hash, kind) VALUES (?, 0, ?, ?)"
        waiting = []
        for row in copies(dict(pattern), count):
            waiting.append(row)
            if len(waiting) == AT_A_TIME or row["number"] == count - 1:
                store.executemany(insert, waiting)
                store.executemany(
                    add_image, ((row["id"], f"{row['number']:064x}", image["kind"]) for row in waiting)
                )
                store.commit()
                waiting.clear()
    store.close()


def copies(pattern: dict, count: int) -> Iterator[dict]:
    """The rows, the oldest first; the pattern is younger than all of them."""
    rng = random.Random(20)
    first = pattern["created"] - count * MILLISECONDS_APART - 1000
    answer = json.loads(pattern["answer"])
    for number in range(count):
        drawn = rng.random()
        decision = "review" if drawn < REVIEW else "ng" if drawn < REVIEW + NG else "ok"
        audit = rng.random() < AUDIT
        answered = number < count * (1 - UNANSWERED) and (audit or decision == "review")
        created = first + number * MILLISECONDS_APART
        identity = _version_7(created, rng)
        answer |= {"id": identity, "created": created, "decision": decision, "audit": audit}
        yield {
            **pattern,
            "number": number,
            "id": identity,
            "created": created,
            "decision": decision,
            "audit": int(audit),
            "idempotency_key": None,
            "verdict": rng.choice(("ok", "ng")) if answered else "none",
            "answer": json.dumps(answer, separators=(",", ":")),
        }


def _version_7(milliseconds: int, rng: random.Random) -> str:
    bits = milliseconds << 80 | 7 << 76 | rng.getrandbits(12) << 64 | 2 << 62 | rng.getrandbits(62)
    return str(uuid.UUID(int=bits))
