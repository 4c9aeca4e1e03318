# SPDX-License-Identifier: Apache-2.0
"""A collector that is down, slow, busy or wrong: nothing is lost that could be kept, nothing is
counted wrongly, and people are told once."""
import os
import subprocess
import tempfile

from collector import Collector, attributes, certificates, server_tls, taken_port
import rig
from rig import Skip, Trellis
from suite_export import collected_from_now, otlp

APPS = ["one", "two", "three"]


def count(c, name, signal):
    """One of the exporter's own counters, in the last collection."""
    for p in c.metrics().get("trellis_otlp_" + name, {"sum": {"dataPoints": []}})["sum"]["dataPoints"]:
        if attributes(p)["trellis.signal"] == signal:
            return p["asDouble"]
    return None


def put_events(c):
    return sorted(attributes(e)["trellis.app"] for e in c.events("app_put"))


def warnings(t):
    """Its own; that a busy machine kept the loop waiting is said by the core."""
    return [x for x in t.log if " warn " in x and "otlp" in x and "kept the loop" not in x]


def once_per_app(c):
    c.wait(lambda: len(c.events("app_put")) >= len(APPS))
    assert put_events(c) == sorted(APPS), put_events(c)


def test_down_at_the_start():
    held = taken_port()
    port = held.getsockname()[1]
    t = Trellis(extensions=[{"plugin": "otlp", "endpoint": f"http://127.0.0.1:{port}",
                             "interval_ms": 100, "batch_ms": 10, "retry_ms": 10,
                             "retry_max_ms": 50}])
    for app in APPS:
        t.deploy(app)
    t.wait_log("no connection")
    assert len(warnings(t)) == 1, warnings(t)
    with Collector(port=port) as c:
        once_per_app(c)
        t.wait_log("again")
        collected_from_now(c)
        assert count(c, "failures", "metrics") > 0 and count(c, "missed", "events") == 0
        assert count(c, "dropped", "events") == 0
        t.end()
    held.close()
    assert len(warnings(t)) == 1, warnings(t)


def lost_and_found(rule, **options):
    """Everything meets with `rule` at first, thrice per signal; all is well afterwards."""
    seen = {}

    def first(r):
        seen[r.signal] = seen.get(r.signal, 0) + 1
        return rule if seen[r.signal] <= 3 else None
    with Collector(first) as c:
        t = Trellis(extensions=[otlp(c, **options)])
        for app in APPS:
            t.deploy(app)
        once_per_app(c)
        t.wait_log("again")
        collected_from_now(c)
        failures = [count(c, "failures", s) for s in ("traces", "metrics", "logs", "events")]
        assert sum(failures) >= 3, failures
        assert count(c, "dropped", "events") == 0 and count(c, "missed", "events") == 0
        t.end()
        assert put_events(c) == sorted(APPS)
        return t


def test_busy_then_fine():
    for status in (429, 502, 503, 504):
        t = lost_and_found({"status": status, "body": b"later"})
        assert str(status) in "\n".join(warnings(t)), warnings(t)


def test_says_when_to_come_back():
    t = lost_and_found({"status": 503, "headers": {"Retry-After": "1"}})
    assert len(warnings(t)) == 1


def test_closes_at_once():
    lost_and_found({"close": True})


def test_does_not_answer():
    t = lost_and_found({"hang": True}, timeout_ms=200)
    assert "no answer in time" in warnings(t)[0]


def test_answers_too_much():
    """What was taken is not sent again, whatever follows the status."""
    huge = {"body": b"x" * (4 << 20), "taken": True}
    with Collector(lambda r: huge) as c:
        t = Trellis(extensions=[otlp(c)])
        for app in APPS:
            t.deploy(app)
        once_per_app(c)
        t.wait_log("longer than allowed")
        collected_from_now(c)
        assert count(c, "failures", "events") == 0 and count(c, "sent", "events") > 0
        t.end()
        assert put_events(c) == sorted(APPS)


def test_answers_nonsense():
    for body in (b"", b"{", b"\xff\xfe", b"[]", b'{"partialSuccess":{"rejectedLogRecords":-1}}',
                 b'{"partialSuccess":"no"}', b'{"partialSuccess":{"rejectedLogRecords":"9e9"}}'):
        with Collector(lambda r: {"body": body, "taken": True}) as c:
            t = Trellis(extensions=[otlp(c)])
            t.deploy("shop")
            c.wait(lambda: c.events("app_put"))
            collected_from_now(c)
            assert count(c, "rejected", "events") == 0 and not warnings(t), (body, warnings(t))
            t.end()


def test_refuses():
    """Dropped and counted; said once; tried again with what comes next."""
    for status in (301, 400, 401, 404, 413, 500):
        bad = {"status": status, "headers": {"Location": "http://127.0.0.1:1/"}}
        with Collector(lambda r: bad if r.signal == "logs" else None) as c:
            t = Trellis(extensions=[otlp(c)])
            t.deploy("shop")
            c.wait(lambda: (count(c, "dropped", "events") or 0) > 0)
            n = len(c.of("logs", taken=False))
            t.deploy("other")
            c.wait(lambda: len(c.of("logs", taken=False)) > n)
            assert len(warnings(t)) == 1 and str(status) in warnings(t)[0], warnings(t)
            assert "dropped" in warnings(t)[0]
            assert count(c, "failures", "metrics") == 0
            c.set_rule(None)
            t.deploy("third")
            c.wait(lambda: c.events("app_put"))
            t.wait_log("again")
            t.end()
            assert "third" in put_events(c) and "shop" not in put_events(c)


def test_takes_a_part():
    part = {"taken": True, "body": b'{"partialSuccess":{"rejectedLogRecords":"1",'
                                   b'"errorMessage":"too\\nold"}}'}
    with Collector(lambda r: part if r.signal == "logs" else None) as c:
        t = Trellis(extensions=[otlp(c)])
        t.deploy("shop")
        c.wait(lambda: (count(c, "rejected", "events") or 0) > 0)
        t.wait_log("did not take 1 of them: too old")
        t.deploy("other")
        c.wait(lambda: (count(c, "rejected", "events") or 0) > 1)
        assert count(c, "failures", "events") == 0
        t.end()
        assert len([x for x in warnings(t) if "events" in x]) == 1, warnings(t)
        assert put_events(c) == ["other", "shop"]


def with_certificates(test):
    with tempfile.TemporaryDirectory(prefix="trlotlp.") as dir:
        try:
            certificates(dir)
        except (OSError, subprocess.SubprocessError):
            raise Skip("no openssl")
        test(dir)


def test_tls():
    def test(dir):
        with Collector(tls=server_tls(dir, client_ca="ca")) as c:
            t = Trellis(extensions=[otlp(c, tls={"ca": dir + "/ca.pem", "cert": dir + "/client.pem",
                                                 "key": dir + "/client.key"})])
            t.deploy("shop")
            c.wait(lambda: c.events("app_put"))
            t.end()
            assert not warnings(t)
    with_certificates(test)


def test_tls_of_somebody_else():
    def test(dir):
        for tls, says in (({"ca": dir + "/other.pem"}, "not trusted"), ({}, "not trusted")):
            with Collector(tls=server_tls(dir)) as c:
                t = Trellis(extensions=[otlp(c, tls=tls)])
                t.wait_log(says)
                c.wait(lambda: c.errors >= 3)
                t.end()
                assert len(warnings(t)) == 1 and "tls.ca" in warnings(t)[0], warnings(t)
                assert not c.requests
    with_certificates(test)


def test_plain_where_tls_is_spoken():
    def test(dir):
        with Collector(tls=server_tls(dir)) as c:
            e = otlp(c)
            e["endpoint"] = e["endpoint"].replace("https", "http")
            t = Trellis(extensions=[e])
            c.wait(lambda: c.errors >= 3)
            t.end()
            assert len(warnings(t)) == 1 and not c.requests
        with Collector() as c:
            e = otlp(c)
            e["endpoint"] = e["endpoint"].replace("http", "https")
            t = Trellis(extensions=[e])
            t.wait_log("TLS")
            c.wait(lambda: c.errors >= 3)
            t.end()
            assert len(warnings(t)) == 1 and not c.requests
    with_certificates(test)


def test_end_while_it_hangs():
    """The end of Trellis is not held up for longer than flush_ms."""
    with Collector(lambda r: {"hang": True}) as c:
        t = Trellis(extensions=[otlp(c, timeout_ms=600000, flush_ms=100)])
        t.deploy("shop")
        c.wait_requests("metrics", 1, taken=False)
        t.end()
        assert "within 100 ms" in "\n".join(t.log)
    with Collector(lambda r: {"hang": True}) as c:
        t = Trellis(extensions=[otlp(c, timeout_ms=600000, flush_ms=0)])
        c.wait_requests("metrics", 1, taken=False)
        t.end()


def test_a_secret_that_is_gone():
    with Collector() as c, tempfile.TemporaryDirectory(prefix="trlotlp.") as dir:
        token = dir + "/token"
        with open(token, "w") as f:
            f.write("first")
        t = Trellis(extensions=[otlp(c, token_file=token)])
        c.wait_requests("metrics", 1)
        os.unlink(token)
        t.wait_log("token_file")
        t.deploy("shop")
        with open(token + ".new", "w") as f:
            f.write("second")
        os.rename(token + ".new", token)
        c.wait(lambda: c.events("app_put"))
        assert c.requests[-1].headers["Authorization"] == "Bearer second"
        t.end()
        assert len(warnings(t)) == 1


def test_a_wrong_configuration_is_told():
    for options, says in (
            ({"endpoint": "localhost:4317"}, "usually 4318"),
            ({"endpoint": "http://h:4318/v1/traces"}, "leave out /v1/traces"),
            ({"endpoint": "http://me:pw@h:4318"}, "use headers or token_file"),
            ({"headers": [{"name": "a b", "value": "x"}]}, "headers[0].name"),
            ({"headers": [{"name": "a"}]}, "value or file is missing"),
            ({"headers": [{"name": "Host", "value": "x"}]}, "cannot be set"),
            ({"resource": {"a": {"b": 1}}}, "resource: a"),
            ({"tls": {"ca": "/x"}}, "no TLS is used"),
            ({"retry_ms": 5000, "retry_max_ms": 1000}, "longer than retry_max_ms"),
            ({"token_file": "/nonexistent/token"}, "token_file /nonexistent/token")):
        try:  # the other extension may be listening by the time this one fails
            text = Trellis(extensions=[{"plugin": "otlp", **options}]).wait_log(says)
        except AssertionError as e:
            text = str(e)
        assert says in text and "me:pw" not in text, (says, text)
        while rig.running:
            try:
                rig.running.pop().end(check=False)
            except AssertionError as e:  # it ends with a code that says why
                assert "ended with" in str(e) and "Sanitizer" not in str(e), e
