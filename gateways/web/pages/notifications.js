// Owns the notification centre: what one was told, grouped by day, to be read, put away and taken back.
import { useEffect, useRef } from "preact/hooks";
import { withQuery } from "../api.js";
import { now } from "../format.js";
import { change, older, open, readEverything, reload, unread, views } from "../inbox.js";
import { go, route } from "../router.js";
import { Spinner } from "../ui/bits.js";
import { html } from "../ui/html.js";
import { Icon } from "../ui/icons.js";
import { NotificationRow } from "../ui/notification-row.js";

const VIEWS = { inbox: "Inbox", unread: "Unread", archived: "Archive" };
const EMPTY = {
  inbox: ["bell", "Nothing here yet", "What others do that concerns you appears here the moment it happens."],
  unread: ["check", "All read", "You have seen everything there is."],
  archived: ["archive", "Nothing put away", "What you archive is kept here, and can be taken back."],
};

function group(items, at) {
  const midnight = new Date(at).setHours(0, 0, 0, 0);
  const [today, earlier] = [[], []];
  for (const one of items) (new Date(one.updated_at) >= midnight ? today : earlier).push(one);
  return [
    ["Today", today],
    ["Earlier", earlier],
  ].filter(([, some]) => some.length);
}

function Views({ view }) {
  return html`<nav class="tabs" aria-label="Notifications">${Object.entries(VIEWS).map(([name, label]) => html`
    <a key=${name} class="chip chip-link" aria-current=${name === view ? "page" : undefined}
      href=${withQuery("/notifications", { view: name === "inbox" ? "" : name })}>${label}</a>`)}
  </nav>`;
}

function Empty({ view }) {
  const [icon, title, text] = EMPTY[view];
  return html`<div class="empty card"><span class="empty-sign"><${Icon} name=${icon} size=${28} /></span>
    <h2>${title}</h2><p class="muted">${text}</p></div>`;
}

function Failed({ view, problem }) {
  return html`<div class="empty card" role="alert"><h2>Your notifications could not be loaded</h2>
    <p class="muted">${problem.message}</p>
    <p><button type="button" class="button" onClick=${() => reload(view)}>Try again</button></p></div>`;
}

function More({ view, known }) {
  if (known.problem) return html`<p class="note note-bad" role="alert">${known.problem.message}</p>`;
  if (!known.next) return null;
  return html`<p class="list-end"><button type="button" class="button" disabled=${known.loading}
    onClick=${() => older(view)}>${known.loading ? "Loading…" : "Older"}</button></p>`;
}

// What leaves the list takes the focus with it: the row that takes its place gets it, or the heading.
function useChange(list) {
  return async (notification, verb, button) => {
    const rows = [...list.current.querySelectorAll("[data-notification]")];
    const at = rows.findIndex((row) => row.contains(button));
    if (!(await change(notification.id, verb))) return;
    requestAnimationFrame(() => {
      if (button.isConnected || document.activeElement !== document.body) return;
      const left = [...(list.current?.querySelectorAll("[data-notification]") ?? [])];
      (left[Math.min(at, left.length - 1)] ?? document.getElementById("main")).focus({ preventScroll: true });
    });
  };
}

function List({ view }) {
  const known = views[view].value;
  const list = useRef(null);
  const act = useChange(list);
  useEffect(() => void open(view), [view, known.loaded]);
  if (known.problem && !known.loaded) return html`<${Failed} view=${view} problem=${known.problem} />`;
  if (!known.loaded) return html`<p class="loading"><${Spinner} /></p>`;
  return html`<div ref=${list} class="notices" aria-busy=${known.loading}>
    ${group(known.items, now.value).map(([name, some]) => html`
      <section key=${name} aria-labelledby="notices-${name}"><h2 class="notices-day" id="notices-${name}">${name}</h2>
        <ol class="card notice-list">${some.map((one) => html`
          <${NotificationRow} key=${one.id} notification=${one} act=${act} />`)}</ol></section>`)}
    ${!known.items.length && !known.next && html`<${Empty} view=${view} />`}
    <${More} view=${view} known=${known} />
  </div>`;
}

export function NotificationsPage() {
  const wanted = route.value.query.view;
  const view = wanted in VIEWS ? wanted : "inbox";
  useEffect(() => {
    document.title = "Notifications · Hub";
    if (wanted !== undefined && !(wanted in VIEWS)) go("/notifications", { replace: true });
  }, []);
  return html`<section class="column column-wide">
    <header class="page-head"><h1 class="grow">Notifications</h1>
      <a class="icon-button" href="/preferences" aria-label="Preferences" title="Preferences">
        <${Icon} name="settings" /></a>
      <button type="button" class="button button-small" disabled=${!unread.value} onClick=${readEverything}>
        <${Icon} name="check" size=${16} />Read all</button></header>
    <${Views} view=${view} />
    <${List} key=${view} view=${view} />
    <p class="muted small notices-why">Something missing? <a href="/history">See what reached you, what did not,
      and why</a>.</p>
  </section>`;
}
