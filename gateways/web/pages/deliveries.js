// Owns the admins' page of deliveries: what is under way, what failed and why, and new attempts for it.
import { useEffect, useRef } from "preact/hooks";
import { get, request, withQuery } from "../api.js";
import { dayClock, timeZone } from "../format.js";
import { usePages } from "../pages.js";
import { go, route } from "../router.js";
import { bind } from "../shortcuts.js";
import { CHANNELS, became, channel, reason, topic } from "../topics.js";
import { Field, Spinner, Time } from "../ui/bits.js";
import { Choice } from "../ui/digest-editor.js";
import { html } from "../ui/html.js";
import { Icon } from "../ui/icons.js";
import { PagesEnd, PagesFailed } from "../ui/pages-end.js";
import { Attempts } from "../ui/timeline.js";
import { notify } from "../ui/toasts.js";
import { useTyped } from "../ui/typed.js";

const PATH = "/v1/deliveries";
const TONES = {
  queued: "plain",
  held: "tip",
  sending: "accent",
  sent: "good",
  delivered: "good",
  opened: "good",
  clicked: "good",
  failed: "live",
  bounced: "live",
  unknown: "tip",
  dropped: "plain",
};
const STATUSES = { "": "Every status", ...Object.fromEntries(Object.keys(TONES).map((name) => [name, name])) };
const { in_app: _inApp, ...SENT } = CHANNELS;
const BY = { "": "Every channel", ...SENT };
const AGAIN = { failed: "Try again", unknown: "Send again" };
const AT_RISK = "It may have arrived already, and would arrive twice. Send it again?";

const UNDECIDED = ["queued", "held", "sending"];
// The milliseconds after which a delivery that got new attempts is looked at, as long as it waits.
const LOOKS = [500, 1_000, 2_000, 4_000, 8_000, 15_000, 30_000, 60_000];

// Nobody tells the page what becomes of a delivery.
function useFollowing(replace) {
  const timers = useRef(new Map());
  const end = () => {
    timers.current.forEach((timer) => clearTimeout(timer));
    timers.current.clear();
  };
  useEffect(() => end, []);
  return function follow(id, [next, ...later] = LOOKS) {
    clearTimeout(timers.current.get(id));
    if (!next) return;
    const look = async () => {
      // Without an answer it stays as it was until the next look.
      const found = await get(`${PATH}/${id}`).catch(() => null);
      if (!timers.current.has(id)) return;
      if (found) replace(found);
      if (!found || UNDECIDED.includes(found.status)) follow(id, later);
    };
    timers.current.set(id, setTimeout(look, next));
  };
}

function User({ value, change }) {
  const [text, setText] = useTyped(value, change);
  return html`<${Field} label="User">${(given) => html`
    <input ...${given} class="input" name="user" type="search" placeholder="user id" autocomplete="off"
      autocapitalize="off" spellcheck=${false} maxLength=${64} value=${text}
      onInput=${({ target }) => setText(target.value)} />`}<//>`;
}

function Filters({ filters, change }) {
  useEffect(() => bind("/", () => document.querySelector("[name=user]")?.focus()), []);
  return html`<form class="filters filters-three" role="search" aria-label="Filter the deliveries"
    onSubmit=${(event) => event.preventDefault()}>
    <${Choice} label="Status" name="status" value=${filters.status} options=${STATUSES}
      change=${(status) => change({ status })} />
    <${Choice} label="Channel" name="channel" value=${filters.channel} options=${BY}
      change=${(by) => change({ channel: by })} />
    <${User} value=${filters.user} change=${(user) => change({ user })} />
  </form>`;
}

function Why({ delivery }) {
  const { status, reason: word, due_at: due } = delivery;
  const wait = status === "held" || status === "queued";
  const parts = [word && reason(word), wait && `due ${dayClock(due)}`].filter(Boolean);
  return parts.length ? html`<span class="muted">${parts.join(" · ")}</span>` : null;
}

function Delivery({ delivery, redrive }) {
  const { id, user, address, status, attempts, event_id: event, created_at: at } = delivery;
  const row = useRef(null);
  // The button goes when it has done its work; the focus stays at what it was about.
  const again = ({ currentTarget: button }) =>
    redrive(delivery, () => document.activeElement === button && row.current.focus());
  return html`<li class="delivery"><details><summary ref=${row}>
      <span class="tag tone-tag tone-${TONES[status] ?? "plain"}">${became(status, delivery.reason)}</span>
      <span class="delivery-to grow"><strong>${user}</strong> <span class="muted">${channel(delivery.channel)} ·${" "}
        ${address} · ${topic(delivery.topic).name}</span></span>
      <${Why} delivery=${delivery} /><${Time} value=${at} className="muted small" />
    </summary>
    <div class="delivery-more"><${Attempts} attempts=${attempts} />
      <p class="muted small numbers">Delivery ${id}
        ${delivery.provider_ref && html`, ${delivery.provider}: ${delivery.provider_ref}`}</p></div></details>
    <div class="delivery-actions">
      ${AGAIN[status] && html`<button type="button" class="button button-small" onClick=${again}
        aria-label="${AGAIN[status]}: ${user} by ${channel(delivery.channel)}">${AGAIN[status]}</button>`}
      ${event && html`<a class="icon-button" href="/events/${event}" title="Trace"
        aria-label="Trace of the event for ${user}"><${Icon} name="trace" size=${18} /></a>`}</div>
  </li>`;
}

function List({ list }) {
  const follow = useFollowing(list.replace);
  const redrive = async (delivery, before) => {
    if (delivery.status === "unknown" && !window.confirm(AT_RISK)) return;
    try {
      const queued = await request("POST", `${PATH}/${delivery.id}/redrive`);
      before();
      list.replace(queued);
      follow(delivery.id);
      notify({ text: "It is queued again.", good: true });
    } catch (problem) {
      before();
      notify({ problem, title: "Not queued" });
      list.reload();
    }
  };
  if (list.problem && !list.items.length) return html`<${PagesFailed} list=${list} what="The deliveries" />`;
  if (!list.items.length) {
    return html`<div class="empty card">${list.loading ? html`<${Spinner} />` : html`
      <h2>No deliveries here</h2><p class="muted">Nothing matches these filters.</p>`}</div>`;
  }
  return html`<div class="card" aria-busy=${list.loading}>
    <ol class="deliveries" aria-label="Deliveries, newest first">${list.items.map((one) => html`
      <${Delivery} key=${one.id} delivery=${one} redrive=${redrive} />`)}</ol></div>
    <${PagesEnd} list=${list} end="That is all." />`;
}

export function DeliveriesPage() {
  const { query } = route.value;
  const filters = { status: query.status ?? "", channel: query.channel ?? "", user: query.user ?? "" };
  const list = usePages(PATH, filters);
  useEffect(() => {
    document.title = "Deliveries · Hub";
  }, []);
  const show = (changed) => go(withQuery("/deliveries", { ...filters, ...changed }), { replace: true });
  return html`<section class="wide" aria-label="Deliveries">
    <header class="page-head"><div class="grow"><h1>Deliveries</h1>
      <p class="muted">What is sent to whom, what became of it, and why. Times are those of ${timeZone}.</p></div>
      <button type="button" class="button button-small" disabled=${list.loading} onClick=${list.reload}>Refresh</button>
    </header>
    <${Filters} filters=${filters} change=${show} />
    <${List} list=${list} />
  </section>`;
}
