// SPDX-License-Identifier: Apache-2.0
// Elements, made and kept up to date. Text is always set as text: nothing that comes from a server
// is read as HTML.

export function h(tag, attrs, ...kids) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attrs || {})) {
    if (value === null || value === undefined || value === false) {
      continue;
    }
    if (name.startsWith("on")) {
      node.addEventListener(name.slice(2), value);
    } else if (name in node && typeof value === "boolean") {
      node[name] = value;
    } else {
      node.setAttribute(name, value);
    }
  }
  node.append(...kids.flat(Infinity).filter((k) => k !== null && k !== undefined && k !== false));
  return node;
}

export function fill(parent, ...kids) {
  parent.replaceChildren(...kids.flat(Infinity).filter((k) => k !== null && k !== undefined && k !== false));
}

// Makes the children of parent stand for items, in order. A child is made anew only when what
// mark(item) says of it has changed, so that thousands of them cost nothing while they rest.
export function keyed(parent, items, key, mark, make) {
  const have = parent.keyed || (parent.keyed = new Map());
  const seen = new Set();
  let at = parent.firstElementChild;
  for (const item of items) {
    const k = key(item), m = mark(item);
    let child = have.get(k);
    seen.add(k);
    if (!child || child.mark !== m) {
      const node = make(item);
      if (child) {
        if (child.node === at) {
          at = at.nextElementSibling;
        }
        const focused = child.node.contains(document.activeElement);
        child.node.replaceWith(node);
        if (focused) {
          (node.matches("a,button") ? node : node.querySelector("a,button"))?.focus();
        }
      }
      child = { node, mark: m };
      have.set(k, child);
    }
    if (child.node === at) {
      at = at.nextElementSibling;
    } else {
      parent.insertBefore(child.node, at);
    }
  }
  for (const [k, child] of have) {
    if (!seen.has(k)) {
      child.node.remove();
      have.delete(k);
    }
  }
}

export function toast(text, bad) {
  const node = h("p", { class: bad ? "toast bad" : "toast" }, text);
  document.getElementById("toasts").append(node);
  setTimeout(() => node.remove(), bad ? 12000 : 5000);
}

// A question or a longer text in front of everything. Resolves with what close(value) was given,
// undefined for Escape.
export function dialog(title, build) {
  return new Promise((resolve) => {
    const box = h("dialog", { class: "box", "aria-label": title });
    const close = (value) => {
      box.close();
      box.remove();
      resolve(value);
    };
    box.append(h("h2", null, title));
    box.append(...[build(close)].flat());
    box.addEventListener("cancel", (e) => {
      e.preventDefault();
      close();
    });
    box.addEventListener("click", (e) => e.target === box && close());
    document.body.append(box);
    box.showModal();
  });
}

export function ago(ms) {
  const s = Math.max(0, Math.round((Date.now() - ms) / 1000));
  return s < 60 ? `${s} s ago` : s < 3600 ? `${Math.floor(s / 60)} min ago`
    : s < 86400 ? `${Math.floor(s / 3600)} h ago` : `${Math.floor(s / 86400)} days ago`;
}

export function badge(state) {
  return h("span", { class: "badge", "data-state": state }, state);
}
