// Owns the events page: the log with its filters, the live tail, and the drawer of one event.
import { useComputed } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { get, withQuery } from "../api.js";
import { KNOWN_TYPES, describe } from "../describe.js";
import { titleOf } from "../feed.js";
import { clockTime, dayMonth, fullTime } from "../format.js";
import { useLog, useTail } from "../log.js";
import { go, route } from "../router.js";
import { bind } from "../shortcuts.js";
import { Field, Spinner } from "../ui/bits.js";
import { EventDrawer } from "../ui/event-drawer.js";
import { html } from "../ui/html.js";
import { Icon } from "../ui/icons.js";
import { useTyped } from "../ui/typed.js";

const SINCE = {
  "": "Any time",
  "15m": "Last 15 minutes",
  "1h": "Last hour",
  "24h": "Last 24 hours",
  "7d": "Last 7 days",
};
const PUBLISHED = "publish."; // how the document names what enters the log

// The document of the hub that is running knows types this page was not written for.
function useTypes() {
  const [types, setTypes] = useState(KNOWN_TYPES);
  useEffect(() => {
    get("/v1/asyncapi.json")
      .then(({ components }) => {
        const told = Object.keys(components?.messages ?? {}).filter((key) => key.startsWith(PUBLISHED));
        if (told.length) setTypes(told.map((key) => key.slice(PUBLISHED.length)).sort());
      })
      .catch(() => undefined); // the known list does
  }, []);
  return types;
}

function Choice({ label, value, options, change, name }) {
  const chosen = ({ target }) => change(target.value);
  return html`<${Field} label=${label}>${(given) => html`
    <select ...${given} class="input" name=${name} value=${value} onChange=${chosen}>
      ${options.map(([key, text]) => html`
        <option key=${key} value=${key} selected=${key === value}>${text}</option>`)}
    </select>`}<//>`;
}

function Subject({ value, change }) {
  const [text, setText] = useTyped(value, change);
  const input = useRef(null);
  useEffect(() => bind("/", () => input.current.focus()), []);
  return html`<${Field} label="Subject">${(given) => html`
    <input ...${given} ref=${input} class="input" name="subject" type="search" placeholder="content:c1"
      autocomplete="off" autocapitalize="off" spellcheck=${false} value=${text}
      onInput=${({ target }) => setText(target.value)} />`}<//>`;
}

function Tail({ on, state, change }) {
  const told = { off: "", connecting: "connecting…", following: "following" }[state] ?? state.message;
  return html`<label class="switch">
    <input type="checkbox" role="switch" name="tail" checked=${on}
      onChange=${({ target }) => change(target.checked)} />
    <span class="switch-track"></span>
    <span>Live tail</span>
    <span class="muted small" role="status">${told}</span>
  </label>`;
}

function Filters({ filters, change, children }) {
  const types = useTypes();
  const all = filters.type && !types.includes(filters.type) ? [filters.type, ...types] : types;
  const stay = (event) => event.preventDefault();
  const choices = [["", "All types"], ...all.map((type) => [type, type])];
  return html`<form class="filters" role="search" aria-label="Filter the log" onSubmit=${stay}>
    <${Choice} label="Type" name="type" value=${filters.type} options=${choices}
      change=${(type) => change({ type })} />
    <${Subject} value=${filters.subject} change=${(subject) => change({ subject })} />
    <${Choice} label="Since" name="since" value=${filters.since} options=${Object.entries(SINCE)}
      change=${(since) => change({ since })} />
    ${children}
  </form>`;
}

const today = (time) => new Date(time).toDateString() === new Date().toDateString();

function Row({ event, query, fresh }) {
  const title = useComputed(() => titleOf(event)).value;
  const { icon, tone, text } = describe(event, undefined, title);
  const href = withQuery(`/events/${event.id}`, query);
  return html`<li class=${fresh ? "arriving" : ""}><a class="row tone-${tone}" href=${href} data-event=${event.id}>
    <span class="row-seq numbers muted">${event.seq ?? "…"}</span>
    <time class="row-time numbers" dateTime=${event.accepted_at} title=${fullTime(event.accepted_at)}>
      ${today(event.accepted_at) ? "" : `${dayMonth(event.accepted_at)} `}${clockTime(event.accepted_at)}</time>
    <span class="row-type">
      <span class="badge badge-small"><${Icon} name=${icon} size=${14} /></span>
      <code class="clip">${event.type}</code>
    </span>
    <span class="row-subject clip muted">${event.subject}</span>
    <span class="row-text clip">${text}</span></a></li>`;
}

function Older({ log }) {
  if (!log.next) return html`<p class="muted small">The beginning of the log.</p>`;
  return html`<button type="button" class="button" disabled=${log.loading} onClick=${log.older}>
    ${log.loading ? "Loading…" : "Older"}</button>`;
}

function List({ log, query, tailing }) {
  const first = useRef(null);
  // Only what comes after the first page arrives; the page itself is simply there.
  if (!log.loading && first.current === null) first.current = new Set(log.items.map(({ id }) => id));
  if (log.problem) {
    return html`<div class="empty card" role="alert">
      <h2>The log could not be loaded</h2>
      <p class="muted">${log.problem.message}</p>
      <p><button type="button" class="button" onClick=${log.reload}>Try again</button></p></div>`;
  }
  if (!log.items.length) {
    return html`<div class="empty card">${log.loading ? html`<${Spinner} />` : html`
      <h2>No events here</h2>
      <p class="muted">Nothing in the log matches these filters.</p>`}</div>`;
  }
  const fresh = ({ id }) => tailing && !first.current?.has(id);
  return html`<div class="log card" aria-busy=${log.loading}>
    <div class="row row-head" aria-hidden="true">
      ${["Seq", "Accepted", "Type", "Subject", "What"].map((head) => html`<span key=${head}>${head}</span>`)}
    </div>
    <ol aria-label="Events, newest first">
      ${log.items.map((event) => html`
        <${Row} key=${event.id} event=${event} query=${query} fresh=${fresh(event)} />`)}
    </ol>
    <div class="log-end"><${Older} log=${log} /></div>
  </div>`;
}

export function EventsPage() {
  const { id, query } = route.value;
  const filters = { type: query.type ?? "", subject: query.subject ?? "", since: query.since ?? "" };
  const tailing = query.tail === "on";
  const log = useLog(filters);
  const state = useTail(tailing, filters, log);
  useEffect(() => {
    document.title = "Events · Hub";
  }, []);
  const show = (changed) => go(withQuery("/events", { ...filters, tail: query.tail, ...changed }), { replace: true });
  const kept = { ...filters, tail: query.tail };
  return html`<section class="wide" aria-label="Events">
    <header class="page-head"><div class="grow">
      <h1>Events</h1>
      <p class="muted">Everything the hub has accepted, and what became of it.</p>
    </div></header>
    <${Filters} filters=${filters} change=${show}>
      <${Tail} on=${tailing} state=${state} change=${(on) => show({ tail: on ? "on" : "" })} />
    <//>
    <${List} log=${log} query=${kept} tailing=${tailing} />
    ${id && html`<${EventDrawer} key=${id} id=${id} close=${() => go(withQuery("/events", kept))} />`}
  </section>`;
}
