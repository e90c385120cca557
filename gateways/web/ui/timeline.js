// Owns how the way of an event is drawn: one line downwards, with the time each step took.
import { clockTime, duration, fullTime } from "../format.js";
import { steps } from "../steps.js";
import { html } from "./html.js";

function Step({ step }) {
  return html`<li class="step step-${step.tone}">
    ${step.after !== null && html`<p class="step-after numbers">${step.after < 1 ? "" : "+ "}${duration(step.after)}</p>`}
    <p class="step-head"><strong class="grow">${step.title}</strong>
      ${step.at && html`<time class="muted small numbers" dateTime=${step.at} title=${fullTime(step.at)}>${clockTime(step.at)}</time>`}</p>
    ${step.text && html`<p class="muted small">${step.text}</p>`}
    ${step.rooms && html`<ul class="step-rooms">${step.rooms.map((room) => html`<li key=${room}><code>${room}</code></li>`)}</ul>`}
    ${step.error && html`<pre class="code step-error" tabindex="0">${step.error}</pre>`}
  </li>`;
}

export function Timeline({ trace }) {
  return html`<ol class="timeline">${steps(trace).map((step) => html`<${Step} key=${step.key} step=${step} />`)}</ol>`;
}
