// Owns the keyboard shortcuts: which there are, and that typing never triggers one.
import { signal } from "@preact/signals";
import { device, load, save } from "./storage.js";

const KEY = "hub.shortcuts";
const SEQUENCE_WITHIN = 1_200;
const bound = new Map();
// Whoever speaks to the computer, or hits keys by accident, can do without them.
export const enabled = signal(load(device, KEY, true) !== false);
let first;
let firstAt = 0;

// Pages add what they can do; the returned function takes it away again.
export function bind(keys, action) {
  bound.set(keys, action);
  return () => bound.get(keys) === action && bound.delete(keys);
}

export function enable(on) {
  enabled.value = on;
  save(device, KEY, on ? undefined : false);
}

function typing(target) {
  return target.closest?.("input, textarea, select, [contenteditable]") !== null;
}

function pressed(press) {
  if (press.defaultPrevented || press.metaKey || press.ctrlKey || press.altKey) return;
  if (press.key === "Escape") return void bound.get("Escape")?.(press);
  if (!enabled.value || typing(press.target) || document.querySelector("dialog[open]")) return;
  const sequence = `${first ?? ""} ${press.key}`.trim();
  const keys = first && press.timeStamp - firstAt < SEQUENCE_WITHIN && bound.has(sequence) ? sequence : press.key;
  first = undefined;
  const action = bound.get(keys);
  if (action) {
    press.preventDefault();
    action(press);
  } else if (press.key === "g") {
    [first, firstAt] = ["g", press.timeStamp];
  }
}

export function start() {
  document.addEventListener("keydown", pressed);
}
