// Owns the smallest shared pieces: a person's sign, a time, a copy button, a field with its error.
import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { ago, fullTime } from "../format.js";
import { html } from "./html.js";
import { Icon } from "./icons.js";
import { notify } from "./toasts.js";

// FNV-1a: short names that differ in one letter still get colours far apart.
function hue(name) {
  let sum = 0x811c9dc5;
  for (const character of name) sum = Math.imul(sum ^ character.codePointAt(0), 0x01000193) >>> 0;
  return (sum >>> 16) % 360;
}

export function Avatar({ name, size = "m" }) {
  const known = name || "?";
  const initials =
    known
      .split(/[\s_.:-]+/)
      .filter(Boolean)
      .slice(0, 2)
      .map((word) => [...word][0])
      .join("") || "?";
  const style = { "--hue": hue(known) };
  return html`<span class="avatar avatar-${size}" style=${style} aria-hidden="true">${initials}</span>`;
}

export function Time({ value, className = "" }) {
  return html`<time class="time ${className}" dateTime=${value} title=${fullTime(value)}>${ago(value)}</time>`;
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    notify({ title: "Could not copy", text: "The browser did not allow it. Select the text and copy it by hand." });
    return false;
  }
}

export function CopyButton({ text, label = "Copy", className = "button button-quiet button-small" }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    const timer = copied && setTimeout(setCopied, 2_000, false);
    return () => clearTimeout(timer);
  }, [copied]);
  return html`<button type="button" class=${className} onClick=${async () => setCopied(await copy(text))}>
    <${Icon} name=${copied ? "check" : "copy"} size=${16} />
    <span aria-live="polite">${copied ? "Copied" : label}</span>
  </button>`;
}

export function Field({ label, hint, error, children, hideLabel = false }) {
  const id = useId();
  const told = [error && `${id}-error`, hint && `${id}-hint`].filter(Boolean).join(" ") || undefined;
  return html`<div class="field">
    <label class=${hideLabel ? "visually-hidden" : "label"} for=${id}>${label}</label>
    ${children({ id, "aria-describedby": told, "aria-invalid": error ? "true" : undefined })}
    ${hint && html`<p class="hint" id="${id}-hint">${hint}</p>`}
    ${error && html`<p class="field-error" id="${id}-error">${error}</p>`}
  </div>`;
}

export const CloseButton = ({ close }) => html`
  <button type="button" class="icon-button" aria-label="Close" onClick=${close}><${Icon} name="close" /></button>`;

export function Spinner({ label = "Loading" }) {
  return html`<span class="spinner" role="status"><span class="visually-hidden">${label}</span></span>`;
}

// A panel that a button opens: closes by Esc, by a click elsewhere and when the focus leaves it.
export function useDisclosure() {
  const [open, setOpen] = useState(false);
  const root = useRef(null);
  // Before it is painted: who is quick with Esc finds somebody who listens.
  useLayoutEffect(() => {
    if (!open) return undefined;
    const outside = ({ target }) => root.current?.contains(target) || setOpen(false);
    const escape = (press) => {
      if (press.key !== "Escape") return;
      press.stopPropagation();
      setOpen(false);
      root.current?.querySelector("[aria-expanded]")?.focus();
    };
    for (const name of ["pointerdown", "focusin"]) document.addEventListener(name, outside);
    document.addEventListener("keydown", escape, true);
    return () => {
      for (const name of ["pointerdown", "focusin"]) document.removeEventListener(name, outside);
      document.removeEventListener("keydown", escape, true);
    };
  }, [open]);
  return { open, root, toggle: () => setOpen(!open), close: () => setOpen(false) };
}
