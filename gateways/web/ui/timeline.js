// Owns how the way of an event is drawn: one line downwards, with the time each step took.
import { clockTime, duration, fullTime } from "../format.js";
import { steps } from "../steps.js";
import { reason } from "../topics.js";
import { html } from "./html.js";

function Head({ title, at }) {
  return html`<p class="step-head"><strong class="grow">${title}</strong>${at && html`
    <time class="muted small numbers" dateTime=${at} title=${fullTime(at)}>${clockTime(at)}</time>`}</p>`;
}

const Rooms = ({ rooms }) => html`
  <ul class="step-rooms">${rooms.map((room) => html`<li key=${room}><code>${room}</code></li>`)}</ul>`;

// Lines of a record that tell of decisions: what stands behind them is a reason of the hub's own.
const DECIDED = ["held", "gathered", "dropped"];

function Line({ outcome, detail }) {
  const decided = detail && DECIDED.includes(outcome);
  return html`<span><strong>${outcome}${decided && ":"}</strong>${detail && html` <span
    class="muted">${decided ? reason(detail) : detail}</span>`}</span>`;
}

export function Attempts({ attempts }) {
  const inOrder = [...attempts].sort((one, other) => new Date(one.at) - new Date(other.at));
  return html`<ol class="attempts">${inOrder.map(({ at, outcome, detail }, index) => html`<li key=${index}>
    <time class="muted numbers" dateTime=${at} title=${fullTime(at)}>${clockTime(at)}</time>
    <${Line} outcome=${outcome} detail=${detail} /></li>`)}</ol>`;
}

function Step({ step }) {
  const { title, at, tone, text, rooms, error, after, attempts = [] } = step;
  return html`<li class="step step-${tone}">
    ${after !== null && html`<p class="step-after numbers">${after < 1 ? "" : "+ "}${duration(after)}</p>`}
    <${Head} title=${title} at=${at} />
    ${text && html`<p class="muted small">${text}</p>`}
    ${attempts.length > 0 && html`<${Attempts} attempts=${attempts} />`}
    ${rooms && html`<${Rooms} rooms=${rooms} />`}
    ${error && html`<pre class="code step-error" tabindex="0">${error}</pre>`}
  </li>`;
}

export function Timeline({ trace }) {
  return html`<ol class="timeline">
    ${steps(trace).map((step) => html`<${Step} key=${step.key} step=${step} />`)}
  </ol>`;
}
