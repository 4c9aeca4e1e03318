// SPDX-License-Identifier: Apache-2.0
// Requests and the event stream. The token lives in this tab only; nothing is sent by itself.

const KEY = "trellis-token";
let token = sessionStorage.getItem(KEY) || "";

export class ApiError extends Error {
  constructor(status, body) {
    super(body.message || `The server answers ${status}`);
    this.status = status;
    this.code = body.code || "";
    this.findings = body.findings || [];
  }
}

export function setToken(value) {
  token = value;
  if (value) {
    sessionStorage.setItem(KEY, value);
  } else {
    sessionStorage.removeItem(KEY);
  }
}

export function hasToken() {
  return token !== "";
}

function headers(more) {
  return token ? { Authorization: "Bearer " + token, ...more } : { ...more };
}

async function read(response) {
  let body;
  try {
    body = await response.json();
  } catch {
    body = {};
  }
  if (!response.ok) {
    if (response.status === 401) {
      document.dispatchEvent(new CustomEvent("login-needed"));
    }
    throw new ApiError(response.status, body);
  }
  return body;
}

async function send(method, path, type, body) {
  let response;
  try {
    response = await fetch("/api/v1" + path, {
      method, body, headers: headers(type ? { "Content-Type": type } : {}), credentials: "omit",
      cache: "no-store", redirect: "error",
    });
  } catch {
    throw new ApiError(0, { message: "The server does not answer" });
  }
  return read(response);
}

export const get = async (path) => (await send("GET", path)).data;
export const del = async (path) => (await send("DELETE", path)).data;
export const post = async (path, value) =>
  (await send("POST", path, "application/json", JSON.stringify(value || {}))).data;
// A manifest: the whole answer, with its findings.
export const postManifest = (path, text) => send("POST", path, "application/yaml", text);

const part = encodeURIComponent;
export const lattice = (name) => `/lattices/${part(name)}`;
export const app = (l, name) => `${lattice(l)}/apps/${part(name)}`;

async function follow(onEvent, onState, last, signal) {
  const response = await fetch("/api/v1/stream", {
    headers: headers(last.id ? { "Last-Event-ID": last.id } : {}), credentials: "omit",
    cache: "no-store", signal,
  });
  if (!response.ok) {
    await read(response);
  }
  onState("on");
  const lines = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "", event = {};
  for (;;) {
    const { value, done } = await lines.read();
    if (done) {
      return;
    }
    rest += value;
    for (let end; (end = rest.indexOf("\n")) >= 0;) {
      const line = rest.slice(0, end);
      rest = rest.slice(end + 1);
      if (line === "" && event.data !== undefined) {
        last.id = event.id || last.id;
        onEvent(event.event, JSON.parse(event.data));
        event = {};
      } else if (line && line[0] !== ":") {
        const colon = line.indexOf(": ");
        event[line.slice(0, colon)] = line.slice(colon + 2);
      }
    }
  }
}

// Follows the stream for ever, resuming where it broke. onEvent(kind, data); onState(on, off).
export async function stream(onEvent, onState) {
  const last = { id: "" };
  for (let wait = 500; ; wait = Math.min(wait * 2, 10000)) {
    const begun = Date.now();
    try {
      await follow(onEvent, onState, last);
    } catch (e) {
      if (e instanceof ApiError && e.status === 401) {
        onState("off");
        return;
      }
    }
    onState("off");
    wait = Date.now() - begun > 5000 ? 500 : wait;
    await new Promise((r) => setTimeout(r, wait));
  }
}
