// Owns every HTTP call to the hub and the one shape in which they fail.
import { expire, session } from "./session.js";

export class Problem extends Error {
  constructor({ status = 0, title = "", detail = "", errors = [] }) {
    super(detail || title || "Something went wrong.");
    Object.assign(this, { status, title, errors });
  }

  // The server has answered for good: sending the same thing again would change nothing.
  get final() {
    return this.status >= 400 && this.status < 500 && ![401, 408, 425, 429].includes(this.status);
  }
}

const UNREACHABLE = {
  title: "No connection",
  detail: "The hub cannot be reached. Check the connection and try again.",
};

export async function open(method, path, { body, headers = {}, signal } = {}) {
  const token = session.value?.token;
  if (token) headers = { ...headers, Authorization: `Bearer ${token}` };
  if (body !== undefined) headers = { "Content-Type": "application/json", ...headers };
  let response;
  try {
    response = await fetch(path, { method, headers, signal, body: body === undefined ? body : JSON.stringify(body) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(UNREACHABLE);
  }
  if (response.ok) return response;
  // A token of meanwhile another session must not end this one.
  if (response.status === 401 && token && token === session.value?.token) expire();
  throw await problem(response);
}

export async function request(method, path, options) {
  const response = await open(method, path, options);
  return response.status === 204 ? null : response.json();
}

export const get = (path, options) => request("GET", path, options);

export function withQuery(path, parameters) {
  const filled = Object.entries(parameters).filter(
    ([, value]) => value !== undefined && value !== null && value !== "",
  );
  return filled.length ? `${path}?${new URLSearchParams(filled)}` : path;
}

async function problem(response) {
  const told = await response.json().catch(() => ({}));
  const wait = response.headers.get("Retry-After");
  const detail = told.detail || told.title || `The hub answered ${response.status}.`;
  return new Problem({
    status: response.status,
    title: told.title,
    detail: response.status === 429 && wait ? `${detail} Try again in ${wait} s.` : detail,
    errors: Array.isArray(told.errors) ? told.errors : [],
  });
}

export async function publish(event, key) {
  const answer = await request("POST", "/v1/events", { body: event, headers: { "Idempotency-Key": key } });
  return answer.accepted[0].id;
}

// `crypto.randomUUID` exists only on https and localhost; a hub in a home network has neither.
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
