"""Requests that botocore signed, of which one byte is another: the emulator has to refuse each, with a code of the service.

Usage: mutation_checks.py PORT COUNT [SEED]

What is changed is signed, and changed so that it means something else. So these are left alone, by construction:
- headers that are not signed (User-Agent, amz-sdk-*, Content-Length): anything may stand there;
- the case of header names, which HTTP folds; blanks, which the signature folds: only visible bytes are put in, and blanks
  that are replaced are those of the Authorization header, which has a grammar of its own;
- bytes that would make it no HTTP (a method that is no token, a target that is no path, no Host header): a front end refuses
  those without a word of the service. A byte is added to the path instead, which is a single slash.
"""

import json
import random
import socket
import sys
import time

import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials
import botocore.session

PORT, COUNT = int(sys.argv[1]), int(sys.argv[2])
SEED = int(sys.argv[3]) if len(sys.argv) > 3 else int(time.time())
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
IDENTITIES = (("AKIDEXAMPLE", None), ("ASIAEXAMPLE", "AQoDYXdzEJr/token+/="))
REGIONS = ("us-east-1", "eu-west-1", "us-gov-west-1")

INVALID, INCOMPLETE = "InvalidSignatureException", "IncompleteSignatureException"
UNKNOWN, UNRECOGNIZED = "UnknownOperationException", "UnrecognizedClientException"
MISSING = "MissingAuthenticationTokenException"

VISIBLE = bytes(range(0x21, 0x7F))
TOKEN = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
ANY = bytes(range(256))

chance = random.Random(SEED)
session = botocore.session.Session()


class Captured(Exception):
    """Carries a request that was signed and is not to be sent."""


def capture(request, **_):
    raise Captured(request)


def client_of(identity, region, secret):
    client = session.create_client(
        "cloudhsmv2",
        region_name=region,
        endpoint_url=f"http://127.0.0.1:{PORT}",
        aws_access_key_id=identity[0],
        aws_secret_access_key=secret,
        aws_session_token=identity[1],
        config=botocore.config.Config(retries={"total_max_attempts": 1}),
    )
    client.meta.events.register("before-send", capture)
    return client


def call(client):
    kind = chance.randrange(3)
    if kind == 0:
        client.describe_clusters(MaxResults=chance.randrange(1, 26))
    elif kind == 1:
        client.describe_backups(Filters={"states": ["READY"]}, SortAscending=True)
    else:
        client.tag_resource(ResourceId="cluster-aaaaaaaaaaa", TagList=[{"Key": "a", "Value": "é"}])


def signed(client):
    """The parts of a request: method, target, headers as a list of pairs, body; all bytes."""
    try:
        call(client)
    except Captured as captured:
        request = captured.args[0]
    else:
        raise AssertionError("nothing was captured")
    body = request.body if isinstance(request.body, bytes) else (request.body or "").encode()
    headers = [[b"Host", b"127.0.0.1:%d" % PORT]]
    for name, value in request.headers.items():
        headers.append([name.encode(), value if isinstance(value, bytes) else value.encode()])
    return [request.method.encode(), b"/", headers, body]


def changed(text, alphabet, same=None):
    at = chance.randrange(len(text))
    while True:
        new = bytes([chance.choice(alphabet)])
        old = text[at : at + 1]
        if new != old and not (same and same(old, new)):
            return text[:at] + new + text[at + 1 :]


def differ_in_case(a, b):
    return a.lower() == b.lower()


def header(request, name):
    return next(pair for pair in request[2] if pair[0].lower() == name)


def signed_names(request):
    value = header(request, b"authorization")[1]
    return value.split(b"SignedHeaders=")[1].split(b",")[0].split(b";")


def within(value, before, after, alphabet):
    """Changes a byte between two marks of an Authorization header."""
    start = value.index(before) + len(before)
    end = value.index(after, start) if after else len(value)
    return value[:start] + changed(value[start:end], alphabet) + value[end:]


def mutate_method(request):
    request[0] = changed(request[0], TOKEN)
    return {UNKNOWN}


def mutate_path(request):
    request[1] = b"/" + bytes([chance.choice(VISIBLE.replace(b"?", b""))])
    return {UNKNOWN, INVALID}


def mutate_query(request):
    request[1] = b"/?" + bytes([chance.choice(VISIBLE.replace(b"&", b""))])  # an empty parameter is none
    return {INVALID, INCOMPLETE}


def mutate_header_name(request):
    names = [name for name in signed_names(request) if name != b"host"] + [b"authorization"]
    pair = header(request, chance.choice(names))
    pair[0] = changed(pair[0], TOKEN, differ_in_case)
    return {INVALID, INCOMPLETE, UNKNOWN, UNRECOGNIZED, MISSING}


def mutate_header_value(request):
    pair = header(request, chance.choice(signed_names(request)))
    pair[1] = changed(pair[1], VISIBLE)
    return {INVALID, INCOMPLETE, UNKNOWN, UNRECOGNIZED}


def mutate_body(request):
    request[3] = changed(request[3], ANY)
    return {INVALID}


def mutate_date(request):
    pair = header(request, b"x-amz-date")
    pair[1] = changed(pair[1], VISIBLE)
    return {INVALID, INCOMPLETE}


def mutate_scope(request):
    pair = header(request, b"authorization")
    pair[1] = within(pair[1], b"Credential=", b",", VISIBLE)
    return {INVALID, INCOMPLETE, UNRECOGNIZED}


def mutate_signed_headers(request):
    pair = header(request, b"authorization")
    pair[1] = within(pair[1], b"SignedHeaders=", b",", VISIBLE)
    return {INVALID, INCOMPLETE}


def mutate_signature(request):
    pair = header(request, b"authorization")
    pair[1] = within(pair[1], b"Signature=", None, VISIBLE)
    return {INVALID, INCOMPLETE}


def mutate_authorization(request):
    pair = header(request, b"authorization")
    pair[1] = changed(pair[1], VISIBLE)
    return {INVALID, INCOMPLETE, UNRECOGNIZED}


MUTATIONS = (
    mutate_method,
    mutate_path,
    mutate_query,
    mutate_header_name,
    mutate_header_value,
    mutate_body,
    mutate_date,
    mutate_scope,
    mutate_signed_headers,
    mutate_signature,
    mutate_authorization,
    None,  # the secret
)


class Connection:
    """Sends bytes as they are over one kept connection, and reads the answers."""

    def __init__(self):
        self.socket, self.buffer = None, b""

    def exchange(self, request):
        if self.socket is None:
            self.socket, self.buffer = socket.create_connection(("127.0.0.1", PORT), timeout=20), b""
        lines = [b"%s %s HTTP/1.1" % (request[0], request[1])] + [b"%s: %s" % tuple(pair) for pair in request[2]]
        if not any(pair[0].lower() == b"content-length" for pair in request[2]):
            lines.append(b"Content-Length: %d" % len(request[3]))
        self.socket.sendall(b"\r\n".join(lines) + b"\r\n\r\n" + request[3])
        head = self.read_until(b"\r\n\r\n")
        status = int(head.split(b" ")[1])
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
        body = self.read(int(fields[b"content-length"]))
        if fields.get(b"connection") == b"close":
            self.socket.close()
            self.socket = None
        return status, body

    def more(self):
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the server ended the connection")
        self.buffer += data

    def read_until(self, ending):
        while ending not in self.buffer:
            self.more()
        text, self.buffer = self.buffer.split(ending, 1)
        return text

    def read(self, length):
        while len(self.buffer) < length:
            self.more()
        text, self.buffer = self.buffer[:length], self.buffer[length:]
        return text


def code_of(body):
    try:
        return json.loads(body).get("__type")
    except ValueError:
        return None


passed, failed, accepted = 0, 0, 0


def note(held, what):
    global passed, failed
    if held:
        passed += 1
    else:
        failed += 1
        print(f"mutations: {what}", flush=True)


started = time.monotonic()
clients = {(who, region): client_of(who, region, SECRET) for who in IDENTITIES for region in REGIONS}
connection = Connection()
for (who, region), client in clients.items():
    for _ in range(5):
        status, body = connection.exchange(signed(client))
        fine = status == 200 or code_of(body) == "CloudHsmResourceNotFoundException"
        note(fine, f"unchanged, {who[0]} in {region}: {status} {body!r}")
for number in range(COUNT):
    who, region = chance.choice(IDENTITIES), chance.choice(REGIONS)
    mutation = MUTATIONS[number % len(MUTATIONS)]
    if mutation:
        request = signed(clients[who, region])
        codes = mutation(request)
    else:
        other = changed(SECRET.encode(), VISIBLE).decode()
        request, codes = signed(client_of(who, region, other)), {INVALID}
    status, body = connection.exchange(request)
    code = code_of(body)
    accepted += status == 200 or (code or "").startswith("CloudHsm")
    what = f"seed {SEED}, number {number}: {mutation.__name__ if mutation else 'secret'}: {status} {body!r}: {request!r}"
    note(400 <= status < 500 and code in codes, what)
print(
    f"  signatures of botocore: {passed} held, {failed} did not;"
    f" {COUNT} mutations of seed {SEED}, {accepted} accepted, {time.monotonic() - started:.0f} s"
)
print(f"counts {passed} {failed}")
