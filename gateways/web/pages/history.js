// Owns the page that says what reached this person, what did not, and why.
import { useEffect } from "preact/hooks";
import { dayClock, fullTime, timeZone } from "../format.js";
import { usePages } from "../pages.js";
import { channel, reason, reasonThen, topic } from "../topics.js";
import { Spinner, Time } from "../ui/bits.js";
import { html } from "../ui/html.js";
import { Icon } from "../ui/icons.js";
import { PagesEnd, PagesFailed } from "../ui/pages-end.js";

const OUTCOMES = {
  reached: ["check", "reached you", "good"],
  waiting: ["history", "waits", "warn"],
  not: ["close", "not sent", "plain"],
  unknown: ["warn", "perhaps sent", "warn"],
};

function Way({ way }) {
  const [icon, words, tone] = OUTCOMES[way.outcome] ?? OUTCOMES.unknown;
  return html`<li class="way way-${tone}"><${Icon} name=${icon} size=${16} />
    <span><strong>${channel(way.channel)}</strong>${way.address && html` <span class="muted">${way.address}</span>`}:
      ${" "}${words}${way.until && html` until <time dateTime=${way.until}
        title=${fullTime(way.until)}>${dayClock(way.until)}</time>`}
      <span class="muted"> (${(way.outcome === "waiting" ? reason : reasonThen)(way.reason)})</span></span></li>`;
}

function Item({ item }) {
  const { name, icon, tone } = topic(item.topic);
  return html`<li class="notice tone-${tone}"><span class="badge"><${Icon} name=${icon} /></span>
    <div class="grow">
      <p class="notice-title">${item.title ?? html`<span class="muted">An event that is no longer kept</span>`}</p>
      <p class="muted small">${name} · <${Time} value=${item.at} /></p>
      <ul class="ways">${item.ways.map((way, index) => html`<${Way} key=${index} way=${way} />`)}</ul>
    </div></li>`;
}

function List({ list }) {
  if (list.problem && !list.items.length) return html`<${PagesFailed} list=${list} what="Your history" />`;
  if (!list.items.length) {
    return html`<div class="empty card">${list.loading ? html`<${Spinner} />` : html`
      <h2>Nothing yet</h2><p class="muted">Everything that could have concerned you is listed here.</p>`}</div>`;
  }
  return html`<ol class="card notice-list" aria-label="What reached you, the newest first" aria-busy=${list.loading}>
      ${list.items.map((item) => html`<${Item} key=${item.event_id} item=${item} />`)}</ol>
    <${PagesEnd} list=${list} />`;
}

export function HistoryPage() {
  const list = usePages("/v1/me/history", { limit: 30 });
  useEffect(() => {
    document.title = "What reached me · Hub";
  }, []);
  return html`<section class="column column-wide">
    <header class="page-head"><div class="grow"><h1>What reached me</h1>
      <p class="muted">Every way a notification could have taken to you, whether it took it, and why.
        Times are those of ${timeZone}.</p></div>
      <button type="button" class="button button-small" disabled=${list.loading} onClick=${list.reload}>Refresh</button>
    </header>
    <${List} list=${list} />
  </section>`;
}
