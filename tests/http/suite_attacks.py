# SPDX-License-Identifier: Apache-2.0
"""What a hostile page, neighbour or network may try."""
import json
import os
import select
import socket
import stat
import subprocess

import rig
from rig import Trellis, manifest

L = "/api/v1/lattices/default"


def head(answer):
    return answer.split(b"\r\n", 1)[0]


def test_dns_rebinding():
    t = Trellis()
    for host in ["evil.example", "127.0.0.1.evil.example", f"evil.example:{t.port}",
                 f"127.0.0.1:{t.port + 1}", "localhost@evil.example", ""]:
        for path in ["/", "/api/v1/lattices", "/metrics", "/livez"]:
            r = t.raw(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            assert b" 421 " in head(r) or b" 400 " in head(r), (host, path, head(r))
    for lines in ["", f"Host: 127.0.0.1:{t.port}\r\nHost: evil.example\r\n"]:
        r = t.raw(f"GET / HTTP/1.1\r\n{lines}Connection: close\r\n\r\n".encode())
        assert b" 421 " in head(r) or b" 400 " in head(r), head(r)
    assert t.get("/livez", role=None, headers={"Host": "localhost"}).status == 200
    t.end()


def test_other_origins():
    t = Trellis()
    for h in [{"Origin": "https://evil.example"}, {"Origin": "null"},
              {"Origin": f"http://127.0.0.1:{t.port + 1}"}, {"Sec-Fetch-Site": "cross-site"},
              {"Sec-Fetch-Site": "same-site"}]:
        for method, path, body in [("POST", L + "/apps", manifest("a")), ("GET", L + "/apps", None),
                                   ("DELETE", L + "/apps/a", None), ("GET", "/metrics", None),
                                   ("POST", "/api/v1/login", {"token": "x"})]:
            r = t.ask(method, path, body, headers=h)
            assert r.status == 403 and r.json["code"] == "ORIGIN", (h, path, r.status)
            assert not [k for k in r.headers if k.lower().startswith("access-control")]
    own = {"Origin": f"http://127.0.0.1:{t.port}", "Sec-Fetch-Site": "same-origin"}
    assert t.ask("POST", L + "/apps", manifest("a"), headers=own).status == 200
    preflight = t.ask("OPTIONS", L + "/apps", role=None, headers={"Origin": "https://evil.example"})
    assert preflight.status in (403, 405)
    t.end()


def test_forms_of_other_sites():
    """What a form can send without a preflight is refused, whatever else it carries."""
    t = Trellis()
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]:
        for path in ["/apps", "/apps/a/deploy", "/call/app.list"]:
            r = t.ask("POST", L + path, manifest("a"), type=kind)
            assert r.status == 415, (kind, path, r.status)
    assert t.get(L + "/apps").data == []
    assert "Set-Cookie" not in t.get(L + "/apps").headers  # nothing that browsers send by themselves
    t.end()


def test_no_token_no_answer():
    t = Trellis()
    for value in [None, "Bearer", "Bearer ", "Bearer x", "Basic YTpi", t.tokens["admin"],
                  "Bearer " + t.tokens["admin"][:-1], "Bearer " + t.tokens["admin"] + "x"]:
        h = {"Authorization": value} if value else {}
        for path in [L + "/apps", "/api/v1/stream", "/api/openapi.json", "/api/v1/session"]:
            r = t.get(path, role=None, headers=h)
            assert r.status in (401, 429), (value, path, r.status)
            if r.status == 401:
                assert r.headers["WWW-Authenticate"] == "Bearer"
    assert t.get(L + "/apps?token=" + t.tokens["admin"], role=None).status == 401
    t.end()
    assert not [x for x in t.log for s in t.tokens.values() if s in x], "a token is in the log"


def test_guessing_is_slowed_down_for_guessers_only():
    t = Trellis()
    c = t.client()
    got = [t.get(L + "/apps", role="guess%d" % i, client=c).status for i in range(60)]
    assert got[:10] == [401] * 10 and got[-1] == 429, got
    assert t.get(L + "/apps", client=c).status == 200
    r = t.ask("POST", "/api/v1/login", {"token": "guess"}, role=None)
    assert r.status == 429, r.body
    t.end()


def test_roles():
    t = Trellis()
    read, operate, admin = "read", "operate", "admin"
    for role, method, path, body, good in [
            (read, "GET", L + "/apps", None, True), (read, "POST", L + "/validate", manifest("a"), True),
            (read, "POST", L + "/apps", manifest("a"), False),
            (read, "POST", L + "/apps/a/deploy", {}, False),
            (read, "POST", L + "/call/app.put", {}, False),
            (read, "POST", L + "/call/model.put", {}, False),
            (read, "POST", L + "/call/app.list", {}, True),
            (operate, "POST", L + "/apps", manifest("a"), True),
            (operate, "POST", L + "/apps/a/deploy", {}, True),
            (operate, "DELETE", L + "/apps/a", None, False),
            (operate, "POST", L + "/call/app.delete/a", {}, False),
            (operate, "POST", L + "/call/model.del/a", {}, False),
            (admin, "DELETE", L + "/apps/a", None, True)]:
        r = t.ask(method, path, body, role=role)
        assert (r.status == 200) == good, (role, method, path, r.status, r.body)
        assert good or (r.status == 403 and r.json["code"] == "FORBIDDEN")
    t.end()


def test_changes_are_audited():
    t = Trellis()
    t.ask("POST", L + "/apps", manifest("a"), role="operate")
    t.ask("POST", L + "/apps/none/deploy", {}, role="operate")
    t.get(L + "/apps")
    events = [e for e in t.get(L + "/events?limit=1000").data if e["kind"] == "audit"]
    told = [(e["operation"], e["app"], e["outcome"], e["caller"]["id"], e["caller"]["role"],
             e["caller"]["address"]) for e in events]
    assert told == [("app.put", "a", "ok", "the-operate", "operate", "127.0.0.1"),
                    ("app.deploy", "none", "NOT_FOUND", "the-operate", "operate", "127.0.0.1")]
    t.end()
    assert len(t.logged("audit: ")) == 2


def test_large_bodies():
    t = Trellis(limits={"body_bytes": 2048})
    r = t.ask("POST", L + "/apps", "x" * 2049)
    assert r.status == 413, r.status
    chunks = b"".join(b"400\r\n" + b"x" * 1024 + b"\r\n" for _ in range(10)) + b"0\r\n\r\n"
    r = t.raw(f"POST {L}/apps HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
              f"{t.tokens['admin']}\r\nContent-Type: application/yaml\r\nConnection: close\r\n"
              "Transfer-Encoding: chunked\r\n\r\n".encode() + chunks)
    assert b" 413 " in head(r), head(r)
    r = t.raw(f"POST {L}/apps HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
              f"{t.tokens['admin']}\r\nContent-Type: application/yaml\r\n"
              "Content-Length: 99999999999999999999\r\n\r\n".encode())
    assert b" 413 " in head(r) or b" 400 " in head(r), head(r)
    assert t.get(L + "/apps").data == []
    t.end()


def test_large_heads():
    t = Trellis()
    for data in [b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
                 b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"b" * 100000 + b"\r\n\r\n",
                 b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"Y: 1\r\n" * 20000 + b"\r\n"]:
        try:
            r = t.raw(data)
        except (BrokenPipeError, ConnectionResetError):
            r = b""
        assert r == b"" or head(r).split(b" ")[1][:1] == b"4", head(r)
    assert t.get("/livez", role=None).status == 200
    t.end()


def test_garbage():
    t = Trellis()
    for data in [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(64), b"\r\n" * 1000,
                 b"GET\r\n\r\n", b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n", b"\0" * 4096 + b"\r\n\r\n",
                 b"GET /%00 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                 b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: nonsense\r\n\r\n",
                 b"POST /api/v1/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n"]:
        s = t.connect()
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        got = b""
        try:
            while part := s.recv(65536):
                got += part
        except ConnectionResetError:
            pass
        s.close()
        assert not got.startswith(b"HTTP/1.1 200"), (data[:40], got[:80])
    assert t.get("/livez", role=None).status == 200
    t.end()


def test_smuggling():
    """Two lengths: one request or none, never two."""
    t = Trellis()
    inner = f"DELETE {L}/apps/a HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {t.tokens['admin']}\r\n\r\n"
    t.ask("POST", L + "/apps", manifest("a"))
    for lengths in ["Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
                    "Content-Length: 0\r\nContent-Length: %d\r\n" % len(inner)]:
        r = t.raw((f"POST /api/v1/login HTTP/1.1\r\nHost: localhost\r\n{lengths}"
                   f"Content-Type: application/json\r\nConnection: close\r\n\r\n0\r\n\r\n{inner}").encode())
        assert r.count(b"HTTP/1.1 ") <= 1, r
    assert t.get(L + "/apps").data[0]["name"] == "a"
    t.end()


def test_paths_outside():
    t = Trellis()
    for path in ["/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/ui/../index.html",
                 "/.git/config", "/index.html/", "/index.html%00.js", "/api/v1/../../index.html",
                 "/..%2findex.html", "/%2e/index.html"]:
        r = t.get(path)
        assert r.status in (400, 404), (path, r.status)
    assert t.get("/").status == 200 and t.get("/index.html").status == 200
    t.end()


def test_names_do_not_become_other_operations():
    t = Trellis()
    t.ask("POST", L + "/apps", manifest("a"))
    for path in ["/api/v1/lattices/default.app.delete.a/apps", L + "/apps/a.app.delete",
                 "/api/v1/lattices/default%2fapps%2fa%2f/apps", L + "/apps/*", L + "/apps/%3E",
                 L + "/apps/a%0d%0aX:1", L + "/apps?tenant=x.y"]:
        r = t.get(path, role="read")
        assert r.status in (400, 404), (path, r.status, r.body)
    assert t.get(L + "/apps").data[0]["name"] == "a"
    t.end()


def test_slow_senders_are_cut_off():
    """Each sends a byte now and then and never ends its request; others are served meanwhile."""
    t = Trellis(limits={"idle_timeout_s": 1, "request_timeout_s": 2, "connections_per_address": 60})
    slow = []
    for i in range(40):
        s = t.connect()
        s.sendall(b"GET / HTTP/1.1\r\nHost: local" if i % 2 else b"")
        slow.append(s)
    assert t.get("/livez", role=None).status == 200
    ended = 0
    while slow:
        readable, _, _ = select.select(slow, [], [], 0.2)
        for s in slow[:]:
            try:
                if s in readable and not s.recv(4096):
                    raise ConnectionResetError
                if s not in readable:
                    s.send(b"x")
            except (ConnectionResetError, BrokenPipeError):
                ended += 1
                slow.remove(s)
                s.close()
    assert ended == 40
    assert t.get("/livez", role=None).status == 200
    assert 'trellis_http_refused_total{reason="cut_off"}' in t.get("/metrics").body.decode()
    t.end()


def test_a_slow_body_is_cut_off():
    t = Trellis(limits={"idle_timeout_s": 1, "request_timeout_s": 1})
    s = t.connect()
    s.sendall((f"POST {L}/apps HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
               f"{t.tokens['admin']}\r\nContent-Type: application/yaml\r\nContent-Length: 1000\r\n"
               "\r\n").encode())
    got = None
    while got is None:
        readable, _, _ = select.select([s], [], [], 0.2)
        try:
            if readable:
                got = s.recv(4096)
            else:
                s.send(b"a")
        except (ConnectionResetError, BrokenPipeError):
            got = b""
    assert not got.startswith(b"HTTP/1.1 200")
    s.close()
    t.end()


def test_too_many_connections():
    t = Trellis(limits={"connections_per_address": 5})
    held = [t.connect() for _ in range(5)]
    for s in held:
        s.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b" 200 " in s.recv(4096)
    try:
        more = t.raw(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    except (ConnectionResetError, BrokenPipeError):
        more = b""
    assert more == b"", more
    for s in held:
        s.close()
    while True:  # the server hears of the ends in its own time
        try:
            assert t.get("/livez", role=None).status == 200
            break
        except OSError:
            pass
        except Exception as e:
            assert "Remote" in type(e).__name__ or "Bad" in type(e).__name__, e
    t.end()


def test_too_many_streams():
    t = Trellis(limits={"streams": 2})
    with t.stream(), t.stream():
        r = t.get("/api/v1/stream")
        assert r.status == 503 and r.json["code"] == "STREAMS", r.body
        assert t.get(L + "/apps").status == 200
    t.end()


def test_too_many_requests():
    t = Trellis(limits={"requests_per_second": 5})
    c = t.client()
    got = [t.get("/livez", role=None, client=c).status for _ in range(40)]
    assert 429 in got and got[0] == 200, got
    assert t.get("/livez", role=None, client=c).headers.get("Retry-After") in ("1", None)
    t.end()


def test_a_reader_that_never_reads():
    """It costs one batch, not the server: others are served, and memory does not grow with it."""
    t = Trellis(hosts=1)
    s = t.connect()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    s.sendall((f"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
               f"{t.tokens['admin']}\r\n\r\n").encode())
    c = t.client()
    for _ in range(1500):
        t.ask("POST", L + "/apps/none/deploy", {}, client=c)
    assert t.get(L + "/apps", client=c).status == 200
    s.close()
    t.end()


def test_login_url_works_once():
    t = Trellis(roles=())
    mode = stat.S_IMODE(os.stat(t.login_file).st_mode)
    assert mode == 0o600, oct(mode)
    with open(t.login_file) as f:
        url = f.read().strip()
    base, token = url.split("/#login=")
    assert base == f"http://127.0.0.1:{t.port}"
    first = t.ask("POST", "/api/v1/login", {"token": token}, role=None)
    assert first.data["role"] == "admin"
    session = first.data["token"]
    assert t.get(L + "/apps", role=session).status == 200
    assert t.ask("POST", "/api/v1/login", {"token": token}, role=None).status == 401
    for wrong in [{"token": ""}, {"token": None}, {"token": 5}, {}, [], {"token": session}]:
        assert t.ask("POST", "/api/v1/login", wrong, role=None).status == 401
    with open(t.login_file) as f:
        assert token not in f.read()  # a fresh one for the next
    assert t.ask("POST", "/api/v1/logout", {}, role=session).status == 200
    assert t.get(L + "/apps", role=session).status == 401
    t.end()
    assert not os.path.exists(t.login_file)
    assert not [x for x in t.log if token in x or session in x], "a token is in the log"


def test_headers_that_protect():
    t = Trellis()
    for path in ["/", "/index.html", L + "/apps", "/metrics", "/nothing", "/livez"]:
        h = t.get(path).headers
        assert "default-src 'self'" in h["Content-Security-Policy"], path
        assert "frame-ancestors 'none'" in h["Content-Security-Policy"]
        assert "unsafe" not in h["Content-Security-Policy"]
        assert h["X-Content-Type-Options"] == "nosniff" and h["X-Frame-Options"] == "DENY"
        assert h["Referrer-Policy"] == "no-referrer"
    assert t.get(L + "/apps").headers["Cache-Control"] == "no-store"
    etag = t.get("/index.html").headers["ETag"]
    assert t.get("/index.html", headers={"If-None-Match": etag}).status == 304
    t.end()


def test_other_machines_need_tls_and_tokens():
    def check(block):
        path = os.path.join(t.dir, "bad.yaml")
        with open(path, "w") as f:
            f.write("transport: { plugin: inproc }\nstore: { plugin: memory }\n")
            f.write("extensions:\n  - " + json.dumps({"plugin": "http", **block}) + "\n")
        p = subprocess.run([rig.build + "/bin/trellis", "config", "check", path],
                           capture_output=True, text=True, timeout=rig.PATIENCE)
        return p.returncode, p.stdout + p.stderr
    t = Trellis()
    for block in [{"listen": "0.0.0.0:8181"}, {"listen": "[::]:8181"}, {"listen": "192.0.2.7:80"},
                  {"listen": "0.0.0.0:1", "tls": {"cert": "a", "key": "b"}}]:
        rc, text = check(block)
        assert rc != 0 and "needs tls and tokens" in text, (block, rc, text)
    rc, text = check({"tokens": [{"name": "a", "role": "god", "sha256": "0" * 64}]})
    assert rc != 0 and "role" in text, text
    rc, text = check({})
    assert rc == 0, text
    t.end()


def test_tls():
    import tempfile
    with tempfile.TemporaryDirectory(prefix="trltls.") as d:
        made = subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                               "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1", "-subj",
                               "/CN=localhost", "-keyout", d + "/key", "-out", d + "/cert"],
                              capture_output=True)
        if made.returncode:
            raise rig.Skip("no openssl")
        os.chmod(d + "/key", 0o600)
        t = Trellis(options={"tls": {"cert": d + "/cert", "key": d + "/key"}})
        assert t.get(L + "/apps").data == []
        t.deploy("web")
        plain = socket.create_connection(("127.0.0.1", t.port))
        plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        try:
            assert not plain.recv(4096).startswith(b"HTTP")
        except ConnectionResetError:
            pass
        plain.close()
        with open(t.login_file) as f:
            assert f.read().startswith("https://")
        t.end()
