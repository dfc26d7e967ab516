"""A13: requests that a foreign web page can send through its visitor's browser."""

from tests.abuse.attack import Attack, Target
from tests.bench.contenders import post
from tests.faults.questions import JSON

FORM = "multipart/form-data; boundary=x"
DEFINITION = b'{"labels": ["a", "b"]}'
FIELDS = b'--x\r\ncontent-disposition: form-data; name="label"\r\n\r\na\r\n--x--\r\n'


def requests() -> list[bytes]:
    """Requests with a foreign host name, and requests marked as cross-site."""
    rebound = [
        post("/v1/labelsets/a", JSON, DEFINITION).replace(b"POST", b"PUT", 1),
        b"DELETE /v1/labelsets/a HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n",
        post("/v1/embeddings", JSON, b'{"input": "a"}'),
        b"GET /v1/labelsets HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n",
    ]
    rebound = [data.replace(b"host: 127.0.0.1", b"host: attacker.example") for data in rebound]
    marks = [{"origin": "https://attacker.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}]
    foreign = [post("/v1/classify", FORM, FIELDS, mark) for mark in marks]
    return rebound + foreign + [post("/v1/embeddings", "text/plain", b'{"input": "a"}', marks[0])]


def all_of_them():
    """Work: sends each request in turn; any result other than a refusal is printed in capitals."""
    sent = requests()

    def work(target: Target) -> str:
        found = [target.send(data) for data in sent]
        taken = [one for one in found if not one.startswith("403")]
        return f"TAKEN: {taken}" if taken and target.left() else "403"

    return work


ATTACKS = [Attack("A13", "foreign Host and Origin: PUT, DELETE, forms, text/plain", all_of_them)]
