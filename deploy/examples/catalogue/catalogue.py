"""A catalogue that can be searched by text, by image, or by both.

python catalogue.py load  --database postgres://… vectors.parquet
python catalogue.py query --database postgres://… --text "a red bolt" --image photo.jpg
"""

import argparse
import sys
import time
from pathlib import Path

from database import connect
from service import Service, combined
from vectors import Vectors


def main() -> int:
    """Runs one command; returns 0 on success, 1 on an error that the user can correct."""
    options = parser().parse_args()
    try:
        options.run(options)
    except Exception as error:
        # The databases' clients have no common error type.
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    root = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = root.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run, help_text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help_text, description=help_text)
        sub.set_defaults(run=run)
        sub.add_argument(
            "--database", required=True, help="postgres://USER@HOST/NAME, or a folder for LanceDB"
        )
        return sub

    sub = command("load", load, "Put the embeddings of a file into the database, replacing its content.")
    sub.add_argument("vectors", type=Path, help="the output of `clip-in embed`")

    sub = command("query", query, "Find the items most similar to a text, an image, or both together.")
    sub.add_argument("--text", help="words")
    sub.add_argument("--image", type=Path, help="image file")
    sub.add_argument("--count", type=int, default=10, help="number of results (default: 10)")
    sub.add_argument(
        "--kind", default="image", choices=["image", "text"], help="kind of results (default: image)"
    )
    sub.add_argument(
        "--service",
        default="http://127.0.0.1:8080",
        help="the clip-in server (default: http://127.0.0.1:8080)",
    )
    sub.add_argument("--api-key", help="its key, if it requires one")
    return root


def load(options: argparse.Namespace) -> None:
    """Fills the database."""
    started = time.monotonic()
    connect(options.database).load(Vectors(options.vectors))
    print(f"{options.vectors} is loaded and indexed ({time.monotonic() - started:.1f} s)")


def query(options: argparse.Namespace) -> None:
    """Gets the query's embedding from the server and the nearest items from the database."""
    if options.text is None and options.image is None:
        raise ValueError("give --text, --image or both")
    service, database = Service(options.service, options.api_key), connect(options.database)
    vectors = []
    if options.text is not None:
        vectors.append(service.texts([options.text])[0])
    if options.image is not None:
        vectors.append(service.images([options.image.read_bytes()])[0])
    if service.model != database.model:
        raise ValueError(
            f"the catalogue has embeddings of {database.model}, the server has those of {service.model}: "
            "they cannot be compared"
        )
    vector = combined(*vectors) if len(vectors) == 2 else vectors[0]
    for hit in database.search(vector, options.count, options.kind):
        print(f"{hit.similarity:.4f}  {hit.id}  {hit.text or ''}")


if __name__ == "__main__":
    sys.exit(main())
