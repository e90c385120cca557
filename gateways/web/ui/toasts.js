// Owns the short messages at the edge of the page: what went wrong, naming the fields, and what went well.
import { signal } from "@preact/signals";
import { html } from "./html.js";
import { Icon } from "./icons.js";

const MOST = 4;
const STAY = { good: 4_000, bad: 12_000 };
const toasts = signal([]);
let last = 0;

export function notify({ problem, title = problem?.title, text = problem?.message, good = false }) {
  if (problem?.status === 401) return; // the sign-in page says it in its own words
  const toast = { key: ++last, title, text, errors: problem?.errors ?? [], good };
  const others = toasts.value.filter((other) => other.text !== text || other.title !== title);
  toasts.value = [...others, toast].slice(-MOST);
  setTimeout(dismiss, good ? STAY.good : STAY.bad, toast.key);
}

export function dismiss(key) {
  toasts.value = toasts.value.filter((toast) => toast.key !== key);
}

export function dismissAll() {
  const any = toasts.value.length > 0;
  toasts.value = [];
  return any;
}

// A problem's sentence often only repeats its one error; the field reads better on its own.
const repeats = ({ text, errors }) => errors.length === 1 && text === `${errors[0].path}: ${errors[0].message}`;

function Toast({ toast }) {
  return html`<li class="toast ${toast.good ? "good" : "bad"}">
    <${Icon} name=${toast.good ? "check" : "warn"} />
    <div class="grow">
      ${toast.title && toast.title !== toast.text && html`<strong>${toast.title}</strong>`}
      ${toast.text && !repeats(toast) && html`<p>${toast.text}</p>`}
      ${toast.errors.length > 0 && html`<ul class="toast-errors">
        ${toast.errors.slice(0, 5).map(({ path, message }) => html`<li><code>${path}</code> ${message}</li>`)}
      </ul>`}
    </div>
    <button class="icon-button" type="button" aria-label="Dismiss" onClick=${() => dismiss(toast.key)}>
      <${Icon} name="close" size=${16} />
    </button>
  </li>`;
}

// The region is always there: screen readers only announce what changes in one they know.
export function Toasts() {
  return html`<div class="toasts" role="region" aria-label="Messages">
    <ul aria-live="assertive" aria-relevant="additions">
      ${toasts.value.map((toast) => html`<${Toast} key=${toast.key} toast=${toast} />`)}
    </ul>
  </div>`;
}
