# SPDX-License-Identifier: Apache-2.0
"""The dashboard in headless Chromium: real clicks, live updates, no console errors."""
import contextlib
import os
import tempfile

import rig
from chrome import Browser
from rig import Trellis, manifest

L = "/api/v1/lattices/default"


def login_url(t):
    with open(t.login_file) as f:
        return f.read().strip()


@contextlib.contextmanager
def dashboard(t, width=1200, height=800, role=None):
    """A page that is logged in: by the one-time URL, or with the token of a role."""
    with Browser() as b:
        p = b.page(width, height)
        if role:
            p.open(f"http://127.0.0.1:{t.port}/")
            p.until("document.querySelector('#token')")
            p.click("#token")
            p.type(t.tokens[role])
            p.click("form button")
        else:
            p.open(login_url(t))
        p.until("document.querySelector('#live').dataset.state === 'on'")
        yield p
        foreign = [u for u in p.urls if not u.startswith((f"http://127.0.0.1:{t.port}/",
                                                          "about:", "data:"))]
        assert not foreign, foreign
        assert not p.errors, p.errors


def go(p, view):
    p.js(f"location.hash = '#/default/{view}'")


def test_hosts_as_boxes():
    t = Trellis(hosts=4)
    t.deploy("shop", instances=8)
    with dashboard(t) as p:
        assert "login=" not in p.js("location.href")
        p.until("document.querySelectorAll('.host').length === 4")
        p.until("document.querySelectorAll('.host .cell[data-state=deployed]').length === 8")
        assert "4 hosts, 4 ready, 8 instances" in p.text()
        p.shot("hosts")
        p.size(1200, 800, dark=True)
        p.shot("hosts-dark")
        p.click(".host-name")
        p.until("document.querySelector('dialog table td a').textContent === 'shop'")
        p.click("dialog .actions button")
        p.click(".host .cell")  # a cell leads to its application
        p.until("document.querySelector('h1').textContent === 'shop'")
    t.end()


def test_it_is_live():
    """Nothing is reloaded: what happens elsewhere appears by itself."""
    t = Trellis()
    with dashboard(t) as p:
        p.js("window.same = true")
        t.deploy("shop", instances=5)
        p.until("document.querySelectorAll('.host .cell[data-state=deployed]').length === 5")
        go(p, "apps")
        p.until("document.querySelector('tr[data-state=deployed] a').textContent === 'shop'")
        t.ask("POST", L + "/apps/shop/undeploy", {})
        p.until("document.querySelector('tr[data-state=undeployed]')")
        go(p, "hosts")
        p.until("document.querySelectorAll('.host').length && !document.querySelector('.host .cell')")
        go(p, "events")
        p.until("document.body.innerText.includes('app.undeploy by the-admin: ok')")
        p.shot("events")
        assert p.js("window.same") is True
    t.end()


def test_an_app_by_clicks():
    t = Trellis()
    t.deploy("shop", version="v1")
    t.deploy("shop", version="v2", image="reg/web:2", instances=4)
    with dashboard(t) as p:
        go(p, "app/shop")
        p.until("document.querySelectorAll('#versions tbody tr').length === 2")
        p.until("document.querySelector('h1 + .badge').textContent === 'deployed'")
        p.click("#versions tbody tr:first-child button")  # the difference to what was before
        p.until("document.querySelector('dialog ins') && document.querySelector('dialog del')")
        assert "image: reg/web:2" in p.js("document.querySelector('dialog ins').parentNode.textContent")
        p.shot("diff")
        p.key("Escape")
        p.until("!document.querySelector('dialog')")
        p.click("#show-places")
        p.until("document.querySelectorAll('section[aria-label=Places] tbody tr').length >= 3")
        p.until("document.querySelectorAll('.timeline li').length > 4")
        p.shot("app")
        p.until("document.querySelector('#versions th').textContent === 'Version'")
        p.click("#rollback")  # says to what, and what that does
        p.until("document.querySelector('dialog h2').textContent === 'Roll shop back to v1'")
        p.until("document.querySelector('dialog [data-plan]').dataset.plan > 0")
        p.click("#confirm")
        p.until("document.querySelector('#versions tr.current').textContent.includes('v1')")
        p.until("document.querySelector('h1 + .badge').textContent === 'deployed'")
        p.click("#deploy")  # the newest version: the plan first, then the deed
        p.until("document.querySelector('dialog [data-plan]').dataset.plan > 0")
        p.shot("plan")
        p.click("#confirm")
        p.until("document.querySelector('#versions tr.current').textContent.includes('v2')")
        p.until("document.querySelector('h1 + .badge').textContent === 'deployed'")
        p.click("#undeploy")
        p.click("#confirm")
        p.until("document.querySelector('h1 + .badge').textContent === 'undeployed'")
        p.click("#delete")
        p.click("#confirm")
        p.until("document.body.innerText.includes('There is no such application')")
        assert t.get(L + "/apps").data == []
        p.errors = [e for e in p.errors if "404" not in e]  # the browser tells of the 404 itself
    t.end()


def test_a_manifest_handed_in():
    t = Trellis()
    with dashboard(t) as p:
        go(p, "apps")
        p.click("#hand-in")
        p.click("dialog textarea")
        p.type(manifest("shop").replace("type: component", "type: nonsense"))
        p.click("dialog .actions button:nth-child(1)")
        p.until("document.querySelector('dialog .findings li[data-level=error]')")
        p.js("document.querySelector('dialog textarea').value = ''")
        p.click("dialog textarea")
        p.type(manifest("shop", instances=3))
        p.click("dialog .actions button:nth-child(2)")
        p.until("document.querySelector('dialog [data-plan]')")
        p.shot("manifest")
        p.click("dialog .actions .main")
        p.until("document.querySelector('h1').textContent === 'shop'")
        p.until("document.querySelector('h1 + .badge').textContent === 'deployed'")
    t.end()


def test_search_and_keys():
    t = Trellis()
    for name in ["alpha", "beta", "gamma"]:
        t.ask("POST", L + "/apps", manifest(name))
    with dashboard(t) as p:
        p.key("a")
        p.until("document.querySelectorAll('tbody tr').length === 3")
        p.key("j")
        p.key("j")
        p.until("document.activeElement.textContent === 'beta'")
        p.key("Enter")
        p.until("document.querySelector('h1').textContent === 'beta'")
        p.key("a")
        p.until("document.querySelectorAll('tbody tr').length === 3")
        p.key("/")
        p.until("document.activeElement.id === 'search'")
        p.type("gam")
        p.until("document.querySelectorAll('tbody tr').length === 1")
        p.key("Escape")
        p.until("document.querySelectorAll('tbody tr').length === 3")
        p.key("?")
        p.until("document.querySelector('dialog kbd')")
        p.key("Escape")
        p.key("h")
        p.until("document.querySelector('.hosts')")
    t.end()


def test_names_are_never_html():
    t = Trellis()
    evil = '<img src=x onerror=alert(1)><script>alert(2)</script>'
    text = manifest("shop").replace("made by a test", evil)
    assert t.ask("POST", L + "/apps", text).status == 200
    with dashboard(t) as p:
        go(p, "apps")
        p.until("document.querySelector('tbody small').textContent.startsWith('<img')")
        assert p.js("document.querySelectorAll('tbody img, tbody script').length") == 0
        blocked = p.js("""new Promise((done) => {
            document.addEventListener('securitypolicyviolation', (e) => done(e.violatedDirective));
            const s = document.createElement('script');
            s.textContent = 'window.broken = true';
            document.body.append(s);
        })""")
        assert "script-src" in blocked and not p.js("window.broken === true")
        p.errors = []  # the browser tells of what it blocked
    t.end()


def test_the_server_is_away_and_comes_back():
    t = Trellis()
    t.deploy("shop")
    with dashboard(t) as p:
        p.js("""window.away = true; window.real = window.fetch;
            window.fetch = (...a) => window.away ? Promise.reject(new TypeError('away')) : window.real(...a)""")
        go(p, "app/shop")
        p.until("document.querySelector('h1').textContent === 'shop'")
        p.until("document.querySelector('main').innerText.includes('The server does not answer')")
        p.js("window.away = false")
        p.until("document.querySelector('h1 + .badge').textContent === 'deployed'")
        p.until("document.querySelector('main').innerText.includes('Everything runs as wanted')")
    t.end()


def test_why_nothing_is_placed():
    t = Trellis()
    text = manifest("shop").replace("instances: 2", "instances: 2, spread: [{ name: far, requirements: { zone: mars } }]")
    assert t.ask("PUT", L + "/apps/shop", text).status == 200
    with dashboard(t) as p:
        go(p, "app/shop")
        p.until("document.querySelector('h1 + .badge').textContent === 'failed'")
        p.click("#show-places")  # it is open at once
        p.until("document.querySelector('section[aria-label=Places] details[open]')")
        p.until("document.querySelectorAll('section[aria-label=Places] tbody tr').length === 3")
    t.end()


def test_who_may_only_look():
    t = Trellis()
    t.deploy("shop")
    with dashboard(t, role="read") as p:
        assert "the-read · read" in p.text()
        go(p, "app/shop")
        p.until("document.querySelectorAll('#versions tbody tr').length === 1")
        for button in ["deploy", "rollback", "undeploy", "delete"]:
            assert p.js(f"document.querySelector('#{button}').disabled") is True
        go(p, "apps")
        p.until("document.querySelector('.apps') && !document.querySelector('#hand-in')")
    t.end()


def test_wrong_token_and_used_url():
    t = Trellis()
    url = login_url(t)
    with dashboard(t) as p:
        q = p.b.page()
        q.open(url)
        q.until("document.body.innerText.includes('used already')")
        q.click("#token")
        q.type("nonsense")
        q.click("form button")
        q.until("document.body.innerText.includes('not known here')")
    t.end()


def test_phone_width_and_themes():
    t = Trellis()
    t.deploy("shop", instances=30)
    with dashboard(t, 360, 740) as p:
        for view in ["hosts", "apps", "app/shop", "events"]:
            go(p, view)
            p.until("document.querySelector('h1') && document.querySelector('h1').textContent")
            wide = p.js("document.documentElement.scrollWidth")
            assert wide <= 360, (view, wide)
            p.shot("phone-" + view.replace("/", "-"))
        p.size(360, 740, dark=False)
        light = p.js("getComputedStyle(document.body).backgroundColor")
        p.click("#theme")
        dark = p.js("getComputedStyle(document.body).backgroundColor")
        assert light != dark
        p.size(360, 740, dark=True)
        assert p.js("getComputedStyle(document.body).backgroundColor") == dark
    t.end()


# Texts whose contrast with their ground is below WCAG's AA.
CONTRAST = """(() => {
const light = (c) => { const [r, g, b] = c.match(/[\\d.]+/g).map(Number).map((v) => v / 255)
    .map((v) => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b; };
const ground = (e) => { for (; e; e = e.parentElement) {
    const c = getComputedStyle(e).backgroundColor;
    if (!/, 0\\)$/.test(c) && c !== 'transparent') { return c; } }
    return 'rgb(255, 255, 255)'; };
return [...document.querySelectorAll('h1, h2, p, a, button:enabled, small, td, th, label, time, .badge, .live, .kind')]
    .filter((e) => e.innerText && e.getClientRects().length)
    .map((e) => { const a = light(getComputedStyle(e).color), b = light(ground(e));
        return [(Math.max(a, b) + .05) / (Math.min(a, b) + .05), e.innerText.slice(0, 40)]; })
    .filter(([c]) => c < 4.5); })()"""


def test_accessibility_tree():
    t = Trellis()
    t.deploy("shop")
    with dashboard(t) as p:
        for view in ["hosts", "apps", "app/shop", "events"]:
            go(p, view)
            p.until("document.querySelectorAll('main h1').length === 1")
            p.until("document.body.innerText.includes('shop') || document.querySelector('.host .cell')")
            tree = p.tree()
            for role, name in tree:
                if role in ("button", "link", "textbox", "searchbox", "combobox", "img"):
                    assert name, (view, role)
            roles = [r for r, _ in tree]
            assert roles.count("main") == 1 and "navigation" in roles and "banner" in roles, roles
        go(p, "hosts")
        p.until("document.querySelector('.host .cell')")
        p.until_told("button", "ready", "shop")
        for dark in (False, True):
            p.size(1200, 800, dark=dark)
            for view in ["hosts", "apps", "app/shop", "events"]:
                go(p, view)
                p.until("document.querySelectorAll('main h1').length === 1")
                low = p.js(CONTRAST)
                assert not low, (dark, view, low)
    t.end()


def test_a_thousand_of_each():
    t = Trellis(hosts=1000)
    c = t.client()
    for i in range(1000):
        t.ask("POST", L + "/apps", manifest(f"app-{i:04}"), client=c)
    t.until_synced()
    t.deploy("big", instances=4000)
    with dashboard(t) as p:
        p.until("document.querySelectorAll('.host').length === 1000")
        p.until("document.querySelectorAll('.host .cell').length === 4000")
        p.shot("thousand")
        go(p, "apps")
        p.until("document.querySelectorAll('tbody tr').length === 1001")
        p.click("#search")
        p.type("app-0777")
        p.until("document.querySelectorAll('tbody tr').length === 1")
    t.end()


def test_logs_are_followed():
    keeper = os.path.join(rig.build, "plugins", "trellis-keeper")
    if not os.path.exists(keeper):
        raise rig.Skip("no trellis-keeper was built")
    with tempfile.TemporaryDirectory(prefix="trlproc.") as d:
        os.chmod(d, 0o755)
        program = os.path.join(d, "talker")
        with open(program, "w") as f:
            f.write("#!/bin/sh\necho '<b>hello</b> from the log'\n"
                    "while read -r line < /dev/null || [ ! -e $0.more ]; do sleep 0.1; done\n"
                    "echo 'and again' >&2\nexec sleep 1000\n")
        os.chmod(program, 0o755)
        t = Trellis(hosts=0, config="drivers: [{ plugin: process, state_dir: %s/state, "
                    "lattice: default, on_stop: stop }]\n" % d)
        t.deploy("talker", image="file://" + program, instances=1)
        c = t.client()  # deployed is who was started: it has yet to say a word
        while not any("from the log" in x["text"] for x in t.get(
                L + "/apps/talker/logs?lines=5", client=c).data["lines"]):
            assert t.process.poll() is None
        c.close()
        assert t.get(L + "/apps/talker/top").data["instances"][0]["app"] == "talker"
        with dashboard(t) as p:
            go(p, "app/talker")
            p.click("#show-logs")
            p.until("document.querySelector('.logs').textContent.includes('<b>hello</b> from the log')")
            assert not p.js("document.querySelector('.logs b')")
            open(program + ".more", "w").close()
            p.until("[...document.querySelectorAll('.logs [data-stream=err]')]"
                    ".some((x) => x.textContent.includes('and again'))")
            p.shot("logs")
        t.end()
