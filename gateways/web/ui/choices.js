// Owns the small controls of preferences: a switch, a row of things to tick, and the error that belongs to a path.
import { useId } from "preact/hooks";
import { html } from "./html.js";

// The hub names a value as `muted[0].until`; what is wrong within a list is shown at the list.
export function errorAt(errors, path) {
  const found = Object.keys(errors).find(
    (key) => key === path || key.startsWith(`${path}[`) || key.startsWith(`${path}.`),
  );
  return found && errors[found];
}

export function Switch({ checked, change, children, label, hideLabel = false, disabled = false }) {
  return html`<label class="switch">
    <input type="checkbox" role="switch" checked=${checked} disabled=${disabled} aria-label=${label}
      onChange=${({ target }) => change(target.checked)} />
    <span class="switch-track"></span>${!hideLabel && html`<span>${children}</span>`}</label>`;
}

// Several of a few: `options` from value to label; the answer keeps their order.
export function Several({ legend, options, chosen, change, error }) {
  const id = useId();
  const toggle = (value, on) =>
    change(Object.keys(options).filter((other) => (other === value ? on : chosen.includes(other))));
  return html`<fieldset class="several" aria-describedby=${error ? `${id}-error` : undefined}>
    <legend class="label">${legend}</legend>
    <div class="segments segments-wrap">${Object.entries(options).map(([value, label]) => html`
      <label key=${value} class="segment"><input type="checkbox" value=${value} checked=${chosen.includes(value)}
        aria-invalid=${error ? "true" : undefined} onChange=${({ target }) => toggle(value, target.checked)} />
        <span>${label}</span></label>`)}</div>
    ${error && html`<p class="field-error" id="${id}-error">${error}</p>`}
  </fieldset>`;
}
