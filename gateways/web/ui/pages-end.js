// Owns what stands at the end of a list that comes in pages, and in its place when it did not come.
import { html } from "./html.js";

export function PagesEnd({ list, end }) {
  if (list.problem) return html`<p class="note note-bad" role="alert">${list.problem.message}</p>`;
  if (!list.next) return end ? html`<p class="list-end muted small">${end}</p>` : null;
  return html`<p class="list-end"><button type="button" class="button" disabled=${list.loading} onClick=${list.older}>
    ${list.loading ? "Loading…" : "Older"}</button></p>`;
}

export function PagesFailed({ list, what }) {
  return html`<div class="empty card" role="alert"><h2>${what} could not be loaded</h2>
    <p class="muted">${list.problem.message}</p>
    <p><button type="button" class="button" onClick=${list.reload}>Try again</button></p></div>`;
}
