// SPDX-License-Identifier: Apache-2.0
// Plans, places, findings and differences, as elements.
import { h } from "./dom.js";

export const WORDS = { scale: "scale", update: "update", provider_start: "start", provider_stop: "stop",
  link_put: "link", link_del: "unlink", link_renew: "renew link", config_put: "write config",
  config_del: "delete config" };

function verdict(policy) {
  return policy ? h("div", { class: "policy" },
    h("p", null, "Policy: ", h("strong", { class: policy.stop ? "bad" : null }, policy.verdict)),
    findingList((policy.reasons || []).map((r) => ({ level: policy.stop ? "error" : "warning",
      message: `${r.backend}: ${r.text}${r.path ? ` (${r.path})` : ""}`, fix: r.remedy })))) : null;
}

export function planTable(plan) {
  if (!plan.actions.length) {
    return h("div", { "data-plan": "0" }, h("p", { class: "quiet" }, "Nothing would change."), verdict(plan.policy));
  }
  return h("div", { "data-plan": String(plan.actions.length) }, verdict(plan.policy),
    h("p", null, `${plan.actions.length} action${plan.actions.length === 1 ? "" : "s"}:`),
    h("table", null, h("thead", null, h("tr", null, ["Action", "What", "Where", "Why"].map((t) =>
      h("th", { scope: "col" }, t)))),
    h("tbody", null, plan.actions.map((a) => h("tr", { class: a.removal ? "gone" : "" },
      h("td", null, WORDS[a.verb] || a.verb),
      h("td", null, a.name, a.target === "unit" && a.verb === "scale"
        ? ` ${a.count_old} → ${a.count}` : "", a.image_old ? ` ${a.image_old} → ${a.image}` : ""),
      h("td", { class: "mono" }, a.host ? a.host.slice(0, 12) : ""), h("td", null, a.reason))))));
}

// Why a host got what it got, and why others got nothing.
export function placeTable(places) {
  const units = [...new Set(places.map((p) => p.unit))];
  return units.map((unit) => {
    const rows = places.filter((p) => p.unit === unit);
    return h("details", { open: rows.some((p) => p.now !== p.wanted) || !rows.some((p) => p.wanted) },
      h("summary", null, unit, h("small", { class: "quiet" },
        ` ${rows.reduce((n, p) => n + p.now, 0)} of ${rows.reduce((n, p) => n + p.wanted, 0)} on ${rows.filter((p) => p.wanted).length} of ${rows.length} hosts`)),
      h("table", null, h("thead", null, h("tr", null, ["Host", "Spread", "Now", "Wanted", "Why"].map((t) =>
        h("th", { scope: "col" }, t)))),
      h("tbody", null, rows.map((p) => h("tr", { class: p.now === p.wanted ? "" : "differs" },
        h("td", null, p.host_name || p.host.slice(0, 12)), h("td", null, p.spread),
        h("td", { class: "number" }, String(p.now)), h("td", { class: "number" }, String(p.wanted)),
        h("td", null, p.why))))));
  });
}

export function findingList(findings) {
  return findings.length ? h("ul", { class: "findings" }, findings.map((f) =>
    h("li", { "data-level": f.level }, `${f.line ? `line ${f.line}: ` : ""}${f.message}`,
      f.fix ? h("small", { class: "quiet" }, ` ${f.fix}`) : null))) : null;
}

// A manifest as YAML, for reading.
export function yaml(value, indent = "") {
  const scalar = (v) => typeof v === "string" && v !== "" && /^[A-Za-z_./][\w ./:@-]*$/.test(v) &&
    !/^(true|false|null|yes|no|on|off)$/i.test(v) && !v.includes(": ") ? v : JSON.stringify(v);
  if (value === null || typeof value !== "object") {
    return scalar(value);
  }
  const list = Array.isArray(value), entries = Object.entries(value);
  if (!entries.length) {
    return list ? "[]" : "{}";
  }
  return entries.map(([k, v]) => {
    const deep = v !== null && typeof v === "object" && Object.keys(v).length;
    const inner = yaml(v, indent + "  ");
    if (list) {
      return `${indent}- ${deep ? inner.trimStart() : inner}`;
    }
    return `${indent}${scalar(k)}:${deep ? "\n" : " "}${inner}`;
  }).join("\n");
}

// Lines of a and b as [mark, text]: " ", "-" or "+". Longest common subsequence.
export function lineDiff(a, b) {
  const x = a.split("\n"), y = b.split("\n");
  const common = Array.from({ length: x.length + 1 }, () => new Uint32Array(y.length + 1));
  for (let i = x.length - 1; i >= 0; i--) {
    for (let j = y.length - 1; j >= 0; j--) {
      common[i][j] = x[i] === y[j] ? common[i + 1][j + 1] + 1
        : Math.max(common[i + 1][j], common[i][j + 1]);
    }
  }
  const out = [];
  let i = 0, j = 0;
  while (i < x.length || j < y.length) {
    if (i < x.length && j < y.length && x[i] === y[j]) {
      out.push([" ", x[i++]]);
      j++;
    } else if (i < x.length && (j === y.length || common[i + 1][j] >= common[i][j + 1])) {
      out.push(["-", x[i++]]);
    } else {
      out.push(["+", y[j++]]);
    }
  }
  return out;
}

export function diffView(a, b) {
  const lines = lineDiff(a, b);
  if (lines.every(([mark]) => mark === " ")) {
    return h("p", { class: "quiet" }, "They are the same.");
  }
  const near = (i) => lines.slice(Math.max(0, i - 3), i + 4).some(([mark]) => mark !== " ");
  let gap = false;
  return h("pre", { class: "diff", tabindex: "0", "aria-label": "Differences" }, lines.map(([mark, text], i) => {
    if (!near(i)) {
      const first = !gap;
      gap = true;
      return first ? h("span", { class: "skip-lines" }, "⋯\n") : null;
    }
    gap = false;
    return h(mark === "-" ? "del" : mark === "+" ? "ins" : "span", null, `${mark} ${text}\n`);
  }));
}
