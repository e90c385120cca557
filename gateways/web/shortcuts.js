// Owns the keyboard shortcuts: which there are, and that typing never triggers one.

const SEQUENCE_WITHIN = 1_200;
const bound = new Map();
let first;
let firstAt = 0;

// Pages add what they can do; the returned function takes it away again.
export function bind(keys, action) {
  bound.set(keys, action);
  return () => bound.get(keys) === action && bound.delete(keys);
}

function typing(target) {
  return target.closest?.("input, textarea, select, [contenteditable]") !== null;
}

function pressed(press) {
  if (press.defaultPrevented || press.metaKey || press.ctrlKey || press.altKey) return;
  if (press.key === "Escape") return void bound.get("Escape")?.(press);
  if (typing(press.target) || document.querySelector("dialog[open]")) return;
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
