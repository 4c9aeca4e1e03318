# SPDX-License-Identifier: Apache-2.0
"""A Trellis with the HTTP extension, and ways to talk to it."""
import fcntl
import hashlib
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading

PATIENCE = 60  # seconds: then a wait counts as failed
SOURCE = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
build = None
running = []


class Skip(Exception):
    pass


def setup(build_dir):
    global build
    build = build_dir


def end_all():
    while running:
        running.pop().end(check=False)


def manifest(name, image="reg/web:1", instances=2, version=None, extra=""):
    note = f'\n    version: "{version}"' if version else ""
    return f"""apiVersion: core.oam.dev/v1beta1
kind: Application
metadata:
  name: {name}
  annotations:
    description: made by a test{note}
spec:
  components:
    - name: web
      type: component
      properties: {{ image: "{image}" }}
      traits:
        - type: spreadscaler
          properties: {{ instances: {instances} }}
{extra}"""


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def data(self):
        assert self.status == 200, (self.status, self.body[:400])
        return self.json["data"]


class Trellis:
    """`trellis up` in a directory of its own. tokens: role -> token. whole: the configuration, as it
    is."""

    def __init__(self, hosts=3, roles=("read", "operate", "admin"), limits=None, options=None,
                 login=True, args=None, config="", quiet=False, extensions=(),
                 whole=None):
        self.dir = tempfile.mkdtemp(prefix="trlhttp.")
        self.tokens = {r: f"token-of-{r}-{os.urandom(16).hex()}" for r in roles}
        self.login_file = os.path.join(self.dir, "login")
        block = {"plugin": "http", "listen": "127.0.0.1:0", "login": login,
                 "login_file": self.login_file,
                 "limits": {"requests_per_second": 100000, **(limits or {})},
                 "tokens": [{"name": "the-" + r, "role": r,
                             "sha256": hashlib.sha256(t.encode()).hexdigest()}
                            for r, t in self.tokens.items()], **(options or {})}
        path = os.path.join(self.dir, "trellis.yaml")
        with open(path, "w") as f:
            f.write(whole or config + "extensions:\n" + "".join(
                "  - " + json.dumps(e) + "\n" for e in (block, *extensions)))
        env = dict(os.environ, TRELLIS_SOCKET=os.path.join(self.dir, "s"),
                   XDG_RUNTIME_DIR=self.dir, XDG_STATE_HOME=self.dir)
        command = args or ["up", "--memory", "--hosts", str(hosts), "--verbose"]
        self.log = []
        self.tls = "tls" in block
        self.port = None
        self.heard = threading.Condition()
        self.process = subprocess.Popen([build + "/bin/trellis", *command, "-c", path], env=env,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        text=True)
        running.append(self)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        line = self.wait_log("listening on")
        self.port = int(line.rsplit(":", 1)[1])

    def _read(self):
        for line in self.process.stderr:
            with self.heard:
                self.log.append(line.rstrip("\n"))
                self.heard.notify_all()
        with self.heard:
            self.log.append("(end)")
            self.heard.notify_all()

    def wait_log(self, needle, count=1):
        def found():
            hits = [x for x in self.log if needle in x]
            return hits[count - 1] if len(hits) >= count else "(end)" in self.log[-1:]
        with self.heard:
            got = self.heard.wait_for(found, PATIENCE)
        assert isinstance(got, str), f"no '{needle}' in the log:\n" + "\n".join(self.log)
        return got

    def logged(self, needle):
        with self.heard:
            return [x for x in self.log if needle in x]

    def connect(self, timeout=PATIENCE):
        s = socket.create_connection(("127.0.0.1", self.port), timeout=timeout)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls:
            c = ssl.create_default_context()
            c.check_hostname = False
            c.verify_mode = ssl.CERT_NONE
            s = c.wrap_socket(s)
        return s

    def client(self):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        c.sock = self.connect()
        return c

    def ask(self, method, path, body=None, role="admin", headers=None, client=None, type=None):
        h = {}
        if role:
            h["Authorization"] = "Bearer " + self.tokens.get(role, role)
        if body is not None:
            h["Content-Type"] = type or ("application/yaml" if isinstance(body, str)
                                         else "application/json")
            if not isinstance(body, (str, bytes)):
                body = json.dumps(body)
        h.update(headers or {})
        c = client or self.client()
        c.request(method, path, body=body, headers=h)
        r = c.getresponse()
        answer = Answer(r.status, r.headers, r.read())
        if not client:
            c.close()
        return answer

    def get(self, path, **kw):
        return self.ask("GET", path, **kw)

    def raw(self, data, timeout=PATIENCE):
        """Sends bytes, reads until the server closes."""
        s = self.connect(timeout)
        s.sendall(data)
        out = b""
        try:
            while True:
                part = s.recv(65536)
                if not part:
                    return out
                out += part
        except (ConnectionResetError, ssl.SSLError):
            return out
        finally:
            s.close()

    def until_synced(self):
        """Until the hosts of lattice default have told what they run."""
        c = self.client()
        while not any(x["synced"] for x in self.get("/api/v1/lattices", client=c).data["lattices"]
                      if x["lattice"] == "default"):
            assert self.process.poll() is None
        c.close()

    def stream(self, query="", role="admin", last=None):
        return Stream(self, query, role, last)

    def deploy(self, name, **kw):
        """Applies a manifest and waits, by events, until it is deployed."""
        with self.stream(f"?lattice=default&app={name}&kind=status_changed") as s:
            r = self.ask("PUT", f"/api/v1/lattices/default/apps/{name}", manifest(name, **kw))
            assert r.status == 200, r.body
            generation = r.data["generation"]
            s.until(lambda e: e.data.get("type") == "deployed" and
                    e.data.get("generation") >= generation)
        return r

    def end(self, check=True):
        if self in running:
            running.remove(self)
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            rc = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            rc = self.process.wait()
        self.reader.join(PATIENCE)
        shutil.rmtree(self.dir, ignore_errors=True)
        if check or rc not in (0, -9):
            text = "\n".join(self.log)
            assert rc == 0 and "Sanitizer" not in text and "given up" not in text, \
                f"ended with {rc}:\n{text[-4000:]}"


class Event:
    def __init__(self, id, kind, data):
        self.id, self.kind, self.data = id, kind, data

    def __repr__(self):
        return f"{self.id} {self.kind} {self.data}"


class Stream:
    def __init__(self, t, query, role, last):
        self.client = t.client()
        h = {"Authorization": "Bearer " + t.tokens.get(role, role)}
        if last:
            h["Last-Event-ID"] = last
        self.client.request("GET", "/api/v1/stream" + query, headers=h)
        self.response = self.client.getresponse()
        self.status = self.response.status
        self.seen = []

    def __enter__(self):
        if self.seen == []:
            self.first = self.next()
        return self

    def __exit__(self, *_):
        self.client.close()
        self.response.close()

    def next(self):
        event = {}
        while True:
            line = self.response.readline().decode()
            if line == "":
                raise EOFError("the stream ended")
            line = line.rstrip("\n")
            if line == "" and "data" in event:
                e = Event(event.get("id"), event.get("event"), json.loads(event["data"]))
                self.seen.append(e)
                return e
            if not line.startswith(":") and ": " in line:
                key, value = line.split(": ", 1)
                event[key] = value

    def until(self, wanted):
        while True:
            e = self.next()
            if wanted(e):
                return e


def python_with(*packages):
    """A Python that has these packages of PyPI, made once per build directory."""
    home = os.path.join(build, "http-python")
    python = os.path.join(home, "bin", "python")
    stamp = os.path.join(home, "ready-" + "-".join(p.split("=")[0] for p in packages))
    lock = open(home + ".lock", "w")  # several suites may want it at once
    fcntl.flock(lock, fcntl.LOCK_EX)
    if os.path.exists(stamp):
        return python
    try:
        if not os.path.exists(python):
            subprocess.run([sys.executable, "-m", "venv", home], check=True, timeout=120,
                           capture_output=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "--retries", "1", *packages],
                       check=True, timeout=240, capture_output=True)
    except (subprocess.SubprocessError, OSError):
        raise Skip("cannot install " + ", ".join(packages))
    open(stamp, "w").close()
    return python
