# SPDX-License-Identifier: Apache-2.0
"""Server-sent events: order, filters, resuming, and being told what was missed."""
from rig import Stream, Trellis, manifest

L = "/api/v1/lattices/default"


def seq(e):
    return int(e.id.split("-")[1])


def test_events_as_they_happen():
    t = Trellis()
    with t.stream() as s:
        assert s.first.kind == "hello" and s.status == 200
        assert s.response.headers["Content-Type"] == "text/event-stream"
        t.ask("PUT", L + "/apps/shop", manifest("shop"))
        last = s.until(lambda e: e.data.get("type") == "deployed")
        kinds = [e.kind for e in s.seen]
        assert {"app_put", "app_deployed", "command", "status_changed", "audit"} <= set(kinds), kinds
        numbers = [seq(e) for e in s.seen if e.kind != "hello"]
        assert numbers == sorted(set(numbers)) and last.data["seq"] == seq(last)
    t.end()


def test_filters():
    t = Trellis()
    with t.stream("?lattice=default&app=two&kind=app_put,audit") as s, \
            t.stream("?lattice=nowhere") as nowhere:
        for name in ["one", "two", "three"]:
            t.ask("POST", L + "/apps", manifest(name))
        t.ask("DELETE", L + "/apps/two")
        s.until(lambda e: e.data.get("operation") == "app.delete")
        assert [e.kind for e in s.seen[1:]] == ["app_put", "audit", "audit"], s.seen
        assert len(nowhere.seen) == 1
    t.end()


def test_resuming_loses_and_repeats_nothing():
    t = Trellis()
    with t.stream() as s:
        t.ask("POST", L + "/apps", manifest("one"))
        seen = [s.next() for _ in range(2)]
    for i in range(700):  # several batches, while nobody listens
        t.ask("POST", L + f"/apps/none-{i}/deploy", {})
    with t.stream("?kind=audit", last=seen[-1].id) as again:
        apps = [again.first] + [again.next() for _ in range(699)]
        assert [e.data["app"] for e in apps] == [f"none-{i}" for i in range(700)]
        t.ask("POST", L + "/apps/live/deploy", {})
        assert again.next().data["app"] == "live"
    t.end()


def test_who_is_too_slow_is_told():
    """The core keeps 10,000 events."""
    t = Trellis(hosts=1)
    with t.stream() as s:
        start = s.first.id
    c = t.client()
    n = 10100
    for i in range(n):
        t.ask("POST", L + "/apps/none/deploy", {}, client=c)
    with t.stream("?kind=audit", last=start) as late:
        assert late.first.kind == "missed" and late.first.data["missed"] >= 100, late.first
    t.end()


def test_ids_of_another_run_and_nonsense():
    t = Trellis()
    t.ask("POST", L + "/apps", manifest("one"))
    with t.stream(last="abcdef-5") as s:
        assert s.first.kind == "missed" and s.first.data["missed"] is None, s.first
        s.until(lambda e: e.kind == "app_put")  # from the oldest that is kept
    for last in ["", "5", "x", "1-2-3", "g-1", "-", "1-" + "9" * 60]:
        with t.stream(last=last) as s:
            assert s.first.kind == "hello", (last, s.first)
    t.end()


def test_the_end_of_the_server_ends_the_stream():
    t = Trellis()
    s = Stream(t, "", "admin", None)
    assert s.next().kind == "hello"
    t.end()
    try:
        while True:
            s.next()
    except EOFError:
        pass
