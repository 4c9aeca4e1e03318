// SPDX-License-Identifier: Apache-2.0
// What the instances of an application print: the tail, followed while it is looked at.
import { h, fill } from "./dom.js";
import * as api from "./api.js";
import { clock } from "./events.js";

const KEPT = 1000, EVERY_MS = 1500;

// Returns what ends it.
export function logsTail(section, base) {
  const out = h("pre", { class: "logs", tabindex: "0", role: "log", "aria-label": "Logs" });
  const button = h("button", { type: "button", class: "plain", id: "show-logs" }, "Follow");
  let timer = 0, cursor = "", on = false;
  fill(section, h("h2", null, "Logs ", button), out);
  out.hidden = true;

  const line = (l) => h("span", { "data-stream": l.stream },
    `${clock(l.at_ms)} ${l.unit || ""}${l.instance === undefined ? "" : "/" + l.instance} ${l.text}\n`);
  const read = async () => {
    try {
      const r = await api.get(base + "/logs?" + new URLSearchParams(cursor ? { cursor } : { lines: "200" }));
      const low = out.scrollTop + out.clientHeight >= out.scrollHeight - 8;
      cursor = r.cursor;
      out.append(...r.lines.map(line));
      while (out.childElementCount > KEPT) {
        out.firstElementChild.remove();
      }
      if (low) {
        out.scrollTop = out.scrollHeight;
      }
    } catch (e) {
      if (e.status !== 0 && e.status < 500 || e.code === "UNAVAILABLE") {
        fill(out, e.message);
        stop();
        return;
      }
    }
    if (on) {
      timer = setTimeout(read, document.visibilityState === "visible" ? EVERY_MS : EVERY_MS * 8);
    }
  };
  const stop = () => {
    on = false;
    clearTimeout(timer);
    button.textContent = "Follow";
  };
  button.addEventListener("click", () => {
    if (on) {
      stop();
    } else {
      on = true;
      out.hidden = false;
      button.textContent = "Stop";
      read();
    }
  });
  return stop;
}
