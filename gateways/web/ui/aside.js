// Owns the column beside the feed: how busy it is, who is live, and how to publish from a terminal.
import { useEffect, useState } from "preact/hooks";
import { newKey } from "../api.js";
import { activity, cards, liveNow } from "../feed.js";
import { count } from "../format.js";
import { development } from "../site.js";
import { stopped } from "../socket.js";
import { passes, selected } from "../zones.js";
import { Avatar, CopyButton } from "./bits.js";
import { html } from "./html.js";

const BARS = 30;
const STEP = 2_000;
const HEIGHT = 44;

const EXAMPLE = { author: "ann", kind: "post", title: "Hello" };
const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

// For a zone that the feed is narrowed to, or what is published would not show there.
function command(id) {
  const [zone] = selected.value;
  const data = { content_id: id, ...EXAMPLE, ...(zone === undefined ? {} : { zone }) };
  return `.venv/bin/hub publish content.created --data ${quoted(JSON.stringify(data))}`;
}

function useTick(every) {
  const [at, setAt] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setAt(Date.now()), every);
    return () => clearInterval(timer);
  }, [every]);
  return at;
}

function heights(times, at) {
  const bars = Array(BARS).fill(0);
  for (const time of times) {
    const age = Math.floor((at - time) / STEP);
    if (age < BARS) bars[BARS - 1 - Math.max(0, age)] += 1;
  }
  const most = Math.max(4, ...bars);
  return bars.map((number) => Math.max(2, (number / most) * HEIGHT));
}

function Activity() {
  const tick = useTick(STEP);
  // The newest event may be younger than the last tick.
  const at = Math.max(tick, activity.value.at(-1) ?? 0);
  const recent = activity.value.filter((time) => time > at - BARS * STEP);
  return html`<section class="card side-card" aria-labelledby="side-activity"><h3 id="side-activity">Last minute</h3>
    <p class="side-number numbers">${count(recent.length, "event")}</p>
    <svg class="spark" viewBox="0 0 ${BARS * 8} ${HEIGHT}" preserveAspectRatio="none" aria-hidden="true">
      ${heights(recent, at).map((height, index) => html`
        <rect key=${index} x=${index * 8 + 1} y=${HEIGHT - height} width="6" height=${height} rx="1.5" />`)}
    </svg></section>`;
}

function Stream({ event }) {
  return html`<li><${Avatar} name=${event.data.host} size="s" />
    <span class="grow"><strong class="clip">${event.data.host}</strong>
      <span class="muted small clip">${event.data.title ?? event.data.stream_id}</span></span>
    <span class="dot dot-on-air"></span></li>`;
}

function Live() {
  if (!liveNow.value.length) return null;
  return html`<section class="card side-card" aria-labelledby="side-live"><h3 id="side-live">Live now</h3>
    <ul class="side-list">
      ${liveNow.value.slice(0, 5).map(({ key, event }) => html`<${Stream} key=${key} event=${event} />`)}
    </ul></section>`;
}

// A line breaks between the words of a command, never within an option.
const words = (text) => text.split(/( )/).map((word) => (word === " " ? word : html`<span>${word}</span>`));

// What is published again under the same id changes the card that is there, and seems to do nothing.
export function Command() {
  const [id] = useState(() => `c-${newKey().slice(0, 6)}`);
  const text = command(id);
  return html`<div class="command"><pre class="code" tabindex="0" aria-label="Command">${words(text)}</pre>
    <${CopyButton} text=${text} label="Copy command" /></div>`;
}

// The empty feed shows the command itself; where people only use the hub there is no terminal of it.
const Terminal = () =>
  development &&
  !stopped.value &&
  cards.value.some(passes.value) &&
  html`
  <section class="card side-card" aria-labelledby="side-terminal"><h3 id="side-terminal">From a terminal</h3>
    <p class="muted small">Publish an event and watch it arrive here.</p><${Command} /></section>`;

export function Aside() {
  return html`<aside class="side" aria-label="Right now"><${Activity} /><${Live} /><${Terminal} /></aside>`;
}
