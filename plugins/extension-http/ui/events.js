// SPDX-License-Identifier: Apache-2.0
// The timeline: what happened, newest first.
import { h, fill, keyed } from "./dom.js";
import { store, watch } from "./store.js";
import { WORDS } from "./plan.js";

const SHOWN = 300;

function words(e) {
  switch (e.kind) {
    case "status_changed": return `is ${e.type}${e.message ? ": " + e.message : ""}`;
    case "command": return `${WORDS[e.verb] || e.verb} ${e.subject}${e.host ? " on " + e.host.slice(0, 8) : ""} ${e.outcome}${e.text ? ": " + e.text : ""}${e.outcome === "sent" && e.reason ? " – " + e.reason : ""}`;
    case "audit": return `${e.operation} by ${e.caller?.id || "?"}: ${e.outcome}`;
    case "app_put": return `version ${e.version} stored`;
    case "app_deployed": return `version ${e.version} deployed`;
    case "app_undeployed": return "undeployed";
    case "app_deleted": return "deleted";
    default: return e.kind.replaceAll("_", " ") + (e.version ? " " + e.version : "");
  }
}

// The day, too, when it was another one.
export function clock(time) {
  const at = new Date(time), today = at.toDateString() === new Date().toDateString();
  return today ? at.toLocaleTimeString()
    : `${at.toLocaleDateString(undefined, { day: "numeric", month: "short" })} ${at.toLocaleTimeString()}`;
}

function tone(e) {
  if (e.kind === "status_changed") {
    return e.type;
  }
  if (e.kind === "command" && e.outcome !== "sent" && e.outcome !== "done") {
    return "failed";
  }
  return e.kind === "audit" && e.outcome !== "ok" ? "unhealthy" : "none";
}

function item(e, withApp) {
  return h("li", { "data-state": tone(e) },
    h("time", { datetime: e.time }, clock(e.time)),
    h("span", { class: "kind" }, e.kind.replaceAll("_", " ")),
    h("span", null, withApp && e.app ? h("a", { href: `#/${encodeURIComponent(e.lattice)}/app/${encodeURIComponent(e.app)}` }, e.app) : null,
      withApp && e.app ? " " : null, words(e)));
}

export function timeline(list, events, withApp) {
  const shown = events.slice(-SHOWN).reverse();
  keyed(list, shown, (e) => e.seq, () => "", (e) => item(e, withApp));
}

export function eventsView(main) {
  const list = h("ol", { class: "timeline" }), empty = h("p", { class: "quiet" }, "Nothing happened yet.");
  fill(main, h("h1", null, "Events"), empty, list);
  const draw = () => {
    const search = store.search.toLowerCase().split(/\s+/).filter(Boolean);
    const events = store.events.filter((e) => e.lattice === store.lattice && search.every((w) =>
      `${e.kind} ${e.app} ${words(e)}`.toLowerCase().includes(w)));
    empty.hidden = events.length > 0;
    timeline(list, events, true);
  };
  draw();
  return watch(draw);
}
