"""Knowledge about the server that Schemathesis needs beyond the schema.

A schema cannot express that base64 must encode an image, which models exist, or that a tensor's shape must fit its
data. If Schemathesis generates data that must be accepted, these values are filled in. Data that must be refused is
left unchanged.
"""

import base64
import io

import schemathesis
from hypothesis import strategies
from PIL import Image
from schemathesis import GenerationMode
from schemathesis.core.parameters import ParameterLocation
from schemathesis.specs.openapi.checks import negative_data_rejection

MODEL = "clip-in-demo"
WIDTH = 192
"""Length of its embeddings."""
SHORT = 20
"""Maximum characters of a label's text or template: together they fit the model's context."""


def picture(kind: str, colour: str, size: tuple[int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, kind)
    return file.getvalue()


PICTURES = [
    picture("JPEG", "red", (40, 30)),
    picture("PNG", "blue", (1, 1)),
    picture("WEBP", "green", (17, 90)),
]
ENCODED = [
    base64.b64encode(PICTURES[0]).decode(),
    base64.urlsafe_b64encode(PICTURES[1]).decode().rstrip("="),
    "data:image/webp;base64," + base64.b64encode(PICTURES[2]).decode(),
]

schemathesis.openapi.format("byte", strategies.sampled_from(ENCODED))
schemathesis.openapi.format("binary", strategies.sampled_from(PICTURES))
schemathesis.openapi.media_type("image/*", strategies.sampled_from(PICTURES))


def is_positive(case, location: ParameterLocation) -> bool:
    part = case.meta.components.get(location) if case.meta else None
    return part is None or part.mode == GenerationMode.POSITIVE


@schemathesis.check
def wrong_data_is_refused(ctx, response, case):
    """Schemathesis' own check, except for forms: a text field always arrives as text."""
    if case.media_type == "multipart/form-data" and not is_positive(case, ParameterLocation.BODY):
        return True
    return negative_data_rejection(ctx, response, case)


@schemathesis.hook
def before_call(ctx, case, kwargs):
    positive = {place: is_positive(case, place) for place in ParameterLocation}
    if positive[ParameterLocation.HEADER] and "x-request-timeout" in (case.headers or {}):
        # A deadline that has passed is answered correctly with 504.
        case.headers["x-request-timeout"] = "30s"
    if positive[ParameterLocation.PATH] and "/models/" in case.path and case.method != "DELETE":
        case.path_parameters["name"] = MODEL
        if "version" in case.path_parameters:
            case.path_parameters["version"] = "1"
    if positive[ParameterLocation.QUERY]:
        fit_query(case)
    if positive[ParameterLocation.BODY] and isinstance(case.body, dict):
        if case.media_type == "multipart/form-data":
            # The name of a part is in a header. Unknown fields are ignored, but these names cannot be parsed.
            case.body = {name: value for name, value in case.body.items() if is_plain(name)}
        case.body = fit_body(case.path, case.body)


def is_plain(name: str) -> bool:
    return name.isascii() and name.isprintable() and not set(name) & set('"\\%')


def fit_query(case) -> None:
    """Parameters belong to forms and raw images; one that may be in the query or in the form is put into one of
    them.
    """
    query = case.query
    if case.media_type == "application/json":
        query.clear()
        return
    if "model" in query:
        query["model"] = MODEL
    if "dimensions" in query:
        query["dimensions"] = int(query["dimensions"]) % WIDTH + 1
    # No such set exists.
    query.pop("labelset", None)
    if query.get("map") == "overlay":
        # Only for one image and one text.
        query["map"] = "values"
    field = {"/v1/similarity": "text", "/v1/classify": "label", "/v1/explain": "text"}.get(case.path)
    if field and not query.get(field):
        query[field] = ["a red bolt"]
    embeds_nothing = isinstance(case.body, dict) and not (case.body.get("image") or case.body.get("text"))
    if case.path == "/v1/embeddings" and embeds_nothing:
        query["text"] = ["a red bolt"]


def fit_body(path: str, body: dict) -> dict:
    if path.endswith("/infer"):
        return inference(len(str(body)))
    if body.get("model") is not None:
        body["model"] = MODEL
    if path == "/v1/explain" and body.get("map") == "overlay":
        body["map"] = "values"
    if path == "/v1/classify" and "label" in body:
        body.pop("labelset", None)
    if path == "/v2/embed":
        fit_embed(body)
    if body.get("dimensions"):
        body["dimensions"] = body["dimensions"] % WIDTH + 1
    if body.get("modality") == "image":
        body["input"] = [{"image": ENCODED[0]}, ENCODED[1]]
    if "templates" in body or (path.startswith("/v1/labelsets") and "labels" in body):
        fit_labelset(body)
    return body


def fit_embed(body: dict) -> None:
    """Keeps one of the three lists, which are all optional in the schema."""
    given = [name for name in ("texts", "images", "inputs") if body.get(name) is not None]
    for name in given[1:]:
        del body[name]
    if not given:
        body["texts"] = ["a red bolt"]
    if body.get("output_dimension"):
        body["output_dimension"] = body["output_dimension"] % WIDTH + 1


def fit_labelset(body: dict) -> None:
    """Labels have different names; all have texts that are short enough, and either all or none have images."""
    labels = [label if isinstance(label, dict) else {"label": label} for label in body["labels"]]
    with_images = any(label.get("images") for label in labels)
    for i, label in enumerate(labels):
        label["label"] = f"{i} {label['label']}"
        label["texts"] = [text[:SHORT] for text in label.get("texts") or ["a text"]]
        if with_images:
            label["images"] = label.get("images") or [ENCODED[0]]
    body["labels"] = labels
    if body.get("templates"):
        body["templates"] = [template[-SHORT:] + "{}" for template in body["templates"]]


def inference(seed: int) -> dict:
    """One of the request bodies of the protocol's own clients."""
    text = {"name": "text", "datatype": "BYTES", "shape": [1], "data": ["a red bolt"]}
    bodies = [
        {"inputs": [text]},
        {"inputs": [text], "id": "7", "outputs": [{"name": "text_embedding"}]},
        {"inputs": [text], "parameters": {"binary_data_output": True}},
    ]
    return bodies[seed % len(bodies)]
