# SPDX-License-Identifier: Apache-2.0
"""A collector of OTLP over HTTP that keeps what it gets, and misbehaves when it is told to."""
import functools
import gzip
import json
import socket
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from rig import PATIENCE, python_with

PATHS = {"/v1/traces": "traces", "/v1/metrics": "metrics", "/v1/logs": "logs"}


def taken_port():
    """A port where nobody listens, and that a Collector can take as long as this is open."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", 0))
    return s


class Request:
    def __init__(self, path, headers, body):
        self.path, self.headers, self.wire = path, headers, body
        self.body = gzip.decompress(body) if headers.get("Content-Encoding") == "gzip" else body
        self.signal = PATHS[path]
        self.taken = False

    @functools.cached_property
    def json(self):
        return json.loads(self.body)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        c = self.server.collector
        path = self.path.removeprefix(c.base)
        r = Request(path, self.headers, self.rfile.read(int(self.headers["Content-Length"])))
        rule = c.got(r)
        status, body = rule.get("status", 200), rule.get("body", b"{}")
        if rule.get("hang"):
            c.ended.wait(PATIENCE)
        if rule.get("hang") or rule.get("close"):
            self.close_connection = True
            return
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            for k, v in rule.get("headers", {}).items():
                self.send_header(k, v)
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            self.close_connection = True

    def send_error(self, *_):
        self.close_connection = True
        self.server.collector.not_understood()

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request, client_address):
        self.collector.not_understood()  # e.g. who does not like our certificate


class Collector:
    """rule(request) -> {}: what to do instead of taking it; {"forget": True}: takes it, keeps
    nothing of it."""

    def __init__(self, rule=None, port=0, tls=None, base=""):
        self.rule, self.base = rule, base
        self.requests = []
        self.errors = 0  # connections that came to nothing
        self.changed = threading.Condition()
        self.ended = threading.Event()
        self.server = Server(("127.0.0.1", port), Handler)
        self.server.collector = self
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True,
                                                 do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        self.url = f"http{'s' if tls else ''}://localhost:{self.port}{base}"
        self.url = self.url.replace("localhost", "127.0.0.1")
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()

    def got(self, r):
        with self.changed:
            rule = (self.rule and self.rule(r)) or {}
            r.taken = not rule or rule.get("taken", False)
            if not rule.get("forget"):
                self.requests.append(r)
            self.changed.notify_all()
            return rule

    def not_understood(self):
        with self.changed:
            self.errors += 1
            self.changed.notify_all()

    def set_rule(self, rule):
        with self.changed:
            self.rule = rule

    def of(self, signal, taken=True):
        with self.changed:
            return [r for r in self.requests if r.signal == signal and (r.taken or not taken)]

    def wait(self, wanted):
        """Until wanted() is true; tells what it was."""
        with self.changed:
            got = self.changed.wait_for(wanted, PATIENCE)
            assert got, f"not within {PATIENCE} s; {len(self.requests)} requests"
            return got

    def wait_requests(self, signal, n, taken=True):
        self.wait(lambda: len(self.of(signal, taken)) >= n)
        return self.of(signal, taken)

    def spans(self):
        return [s for r in self.of("traces") for s in spread(r, "resourceSpans", "scopeSpans", "spans")]

    def records(self):
        return [x for r in self.of("logs") for x in spread(r, "resourceLogs", "scopeLogs", "logRecords")]

    def events(self, name=None):
        return [x for x in self.records()
                if "eventName" in x and (name is None or x["eventName"] == "trellis." + name)]

    def log_lines(self):
        return [x for x in self.records() if "eventName" not in x]

    def metrics(self):
        """Of the last collection: name -> metric."""
        got = self.of("metrics")
        return {m["name"]: m for m in metrics_of(got[-1])} if got else {}


def metrics_of(r):
    return spread(r, "resourceMetrics", "scopeMetrics", "metrics")


def spread(r, all, scopes, records):
    return [x for a in r.json[all] for s in a[scopes] for x in s[records]]


def resource(r):
    [whole] = list(r.json.values())
    return attributes(whole[0]["resource"])


def value(v):
    if "arrayValue" in v:
        return [value(x) for x in v["arrayValue"]["values"]]
    if "kvlistValue" in v:
        return {x["key"]: value(x["value"]) for x in v["kvlistValue"]["values"]}
    if "intValue" in v:
        return int(v["intValue"])
    return next(iter(v.values()), None)


def attributes(x):
    return {a["key"]: value(a["value"]) for a in x.get("attributes", [])}


DECODE = """
import base64, json, sys
from google.protobuf.json_format import MessageToDict, Parse
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

kinds = {"traces": ExportTraceServiceRequest, "metrics": ExportMetricsServiceRequest,
         "logs": ExportLogsServiceRequest}
sizes = {"traceId": 16, "spanId": 8, "parentSpanId": 8}

def to_protobuf(x):  # ids are hexadecimal in OTLP's JSON, base64 in protobuf's
    if isinstance(x, list):
        for y in x:
            to_protobuf(y)
    elif isinstance(x, dict):
        for k, y in x.items():
            if k in sizes:
                raw = bytes.fromhex(y)
                assert len(raw) == sizes[k] and y == y.lower() and any(raw), (k, y)
                x[k] = base64.b64encode(raw).decode()
            else:
                to_protobuf(y)

def whole(x):  # 64-bit integers are strings, enums are numbers
    if isinstance(x, dict):
        for k, y in x.items():
            if k.endswith("UnixNano") or k in ("count", "intValue"):
                assert isinstance(y, str) and y.isdigit() or k == "intValue", (k, y)
            if k in ("kind", "severityNumber", "aggregationTemporality", "code"):
                assert type(y) is int, (k, y)
            whole(y)
    elif isinstance(x, list):
        for y in x:
            whole(y)

out = []
for signal, body in json.load(sys.stdin):
    j = json.loads(body)
    whole(j)
    to_protobuf(j)
    m = Parse(json.dumps(j), kinds[signal](), ignore_unknown_fields=False)
    assert m.IsInitialized() and m.ByteSize() > 0
    out.append([signal, MessageToDict(m, preserving_proto_field_name=True)])
json.dump(out, sys.stdout)
"""


def decode(requests):
    """By the published definitions: [(signal, message as a dict)]."""
    python = python_with("opentelemetry-proto==1.38.0")
    p = subprocess.run([python, "-c", DECODE],
                       input=json.dumps([[r.signal, r.body.decode()] for r in requests]),
                       capture_output=True, text=True, timeout=5 * PATIENCE)
    assert p.returncode == 0, p.stdout[-2000:] + p.stderr[-4000:]
    return json.loads(p.stdout)


def certificates(dir):
    """An authority, a server's certificate of it for 127.0.0.1, and another authority."""
    def run(*args):
        subprocess.run(["openssl", *args], check=True, capture_output=True, cwd=dir,
                       timeout=PATIENCE)
    for ca in ("ca", "other"):
        run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", ca + ".key", "-out", ca + ".pem", "-days", "2", "-subj", "/CN=" + ca)
    for name in ("server", "client"):
        run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
            name + ".key", "-out", name + ".csr", "-subj", "/CN=" + name)
        with open(f"{dir}/{name}.ext", "w") as f:
            f.write("subjectAltName=IP:127.0.0.1\n")
        run("x509", "-req", "-in", name + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-days", "2", "-extfile", name + ".ext", "-out", name + ".pem")


def server_tls(dir, client_ca=None):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain(f"{dir}/server.pem", f"{dir}/server.key")
    if client_ca:
        c.verify_mode = ssl.CERT_REQUIRED
        c.load_verify_locations(f"{dir}/{client_ca}.pem")
    return c
