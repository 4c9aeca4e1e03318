# SPDX-License-Identifier: Apache-2.0
"""Chromium by its DevTools protocol over a pipe: real clicks and keys, and what the page says."""
import base64
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from rig import PATIENCE, Skip


class Browser:
    def __init__(self):
        program = next((p for p in map(shutil.which, ["chromium", "chromium-browser",
                                                      "google-chrome"]) if p), None)
        if not program:
            raise Skip("no chromium")
        self.dir = tempfile.mkdtemp(prefix="trlchrome.")
        to_read, self.to_write = os.pipe()
        self.to_read, to_write = os.pipe()
        # The child's ends become its descriptors 3 and 4; first out of the way of both.
        ends = [os.dup(fd) for fd in (to_read, to_write)]
        high = [200, 201]

        def place():
            for fd, at in zip(ends, high):
                os.dup2(fd, at)
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self.process = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--no-first-run", "--disable-background-networking", "--disable-component-update",
             "--disable-extensions", "--hide-scrollbars", "--user-data-dir=" + self.dir,
             "--remote-debugging-pipe", "about:blank"],
            preexec_fn=place, close_fds=False, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True, env=dict(os.environ, HOME=self.dir))
        for fd in (to_read, to_write, *ends):
            os.close(fd)
        self.number = 0
        self.answers, self.sessions = {}, {}
        self.heard = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        with os.fdopen(self.to_read, "rb") as f:
            rest = b""
            while part := f.read1(1 << 16):
                rest += part
                *whole, rest = rest.split(b"\0")
                with self.heard:
                    for m in map(json.loads, whole):
                        if "id" in m:
                            self.answers[m["id"]] = m
                        elif m.get("sessionId") in self.sessions:
                            self.sessions[m["sessionId"]].on_event(m["method"], m["params"])
                    self.heard.notify_all()

    def call(self, method, session=None, **params):
        with self.heard:
            self.number += 1
            n = self.number
        m = {"id": n, "method": method, "params": params}
        if session:
            m["sessionId"] = session
        os.write(self.to_write, json.dumps(m).encode() + b"\0")
        with self.heard:
            assert self.heard.wait_for(lambda: n in self.answers, PATIENCE), method
            answer = self.answers.pop(n)
        assert "error" not in answer, (method, answer["error"])
        return answer["result"]

    def page(self, width=1200, height=800):
        return Page(self, width, height)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)  # its own session: nobody else's
        except ProcessLookupError:
            pass
        self.process.wait(PATIENCE)
        os.close(self.to_write)
        shutil.rmtree(self.dir, ignore_errors=True)


class Page:
    def __init__(self, browser, width, height):
        self.b = browser
        self.errors, self.urls = [], []
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        browser.sessions[self.session] = self
        for domain in ["Page", "Runtime", "Log", "Network", "Accessibility"]:
            self.call(domain + ".enable")
        self.size(width, height)

    def call(self, method, **params):
        return self.b.call(method, self.session, **params)

    def on_event(self, method, p):
        if method == "Runtime.exceptionThrown":
            self.errors.append(p["exceptionDetails"].get("exception", {}).get("description", str(p)))
        elif method == "Runtime.consoleAPICalled" and p["type"] in ("error", "assert"):
            self.errors.append(str(p["args"]))
        elif method == "Log.entryAdded" and p["entry"]["level"] == "error":
            self.errors.append(p["entry"]["text"] + " " + p["entry"].get("url", ""))
        elif method == "Network.requestWillBeSent":
            self.urls.append(p["request"]["url"])

    def size(self, width, height, dark=None):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=width < 600)
        if dark is not None:
            self.call("Emulation.setEmulatedMedia",
                      features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def open(self, url):
        self.call("Page.navigate", url=url)

    def js(self, code):
        r = self.call("Runtime.evaluate", expression=code, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in r, (code, r["exceptionDetails"])
        return r["result"].get("value")

    def until(self, code):
        """Waits in the page, turn by turn, until the expression is true."""
        got = self.js(f"""new Promise((done) => {{
            const end = Date.now() + {PATIENCE * 500};
            const look = () => {{
              let v;
              try {{ v = {code}; }} catch {{ v = null; }}
              if (v || Date.now() > end) {{ done(Boolean(v)); }}
              else {{ setTimeout(look, 20); }}
            }};
            look();
        }})""")
        assert got, f"never: {code}\n{self.text()[:1500]}\nerrors: {self.errors}"
        return got

    def text(self):
        return self.js("document.body.innerText")

    def click(self, selector):
        q = json.dumps(selector)
        self.until(f"document.querySelector({q}) && !document.querySelector({q}).disabled")
        # Where it rests: in view, the same in two frames, and nothing in front of it.
        box = self.js(f"""new Promise((done) => {{
            let was = "";
            const look = () => {{
              const e = document.querySelector({q});
              if (e) {{
                e.scrollIntoView({{block: "center"}});
                const r = e.getBoundingClientRect(), at = [r.x + r.width / 2, r.y + r.height / 2];
                if (at.join() === was && e.contains(document.elementFromPoint(...at))) {{
                  done(at);
                  return;
                }}
                was = at.join();
              }}
              setTimeout(() => requestAnimationFrame(look), 30);
            }};
            look();
        }})""")
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left",
                      clickCount=1)

    def key(self, key):
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, text=text,
                  windowsVirtualKeyCode={"Enter": 13, "Escape": 27}.get(key, 0))
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def type(self, text):
        self.call("Input.insertText", text=text)

    def tree(self):
        """(role, name) of everything a screen reader is told of."""
        nodes = self.call("Accessibility.getFullAXTree")["nodes"]
        return [(n["role"]["value"], n.get("name", {}).get("value", ""))
                for n in nodes if not n.get("ignored") and "role" in n]

    def until_told(self, role, *words):
        """Until a screen reader is told of such a thing: its tree follows the page a moment later."""
        end = time.monotonic() + PATIENCE / 2
        while not any(r == role and all(w in n for w in words) for r, n in self.tree()):
            assert time.monotonic() < end, f"never told: {role} {words}\n{self.text()[:1500]}"

    def shot(self, name):
        where = os.environ.get("TRELLIS_SHOTS")
        if where:
            data = self.call("Page.captureScreenshot", format="png")["data"]
            with open(os.path.join(where, name + ".png"), "wb") as f:
                f.write(base64.b64decode(data))
