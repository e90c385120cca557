// Owns the page of what the simulators got instead of people: there in development only.
import { useEffect, useState } from "preact/hooks";
import { withQuery } from "../api.js";
import { usePages } from "../pages.js";
import { route } from "../router.js";
import { Spinner, Time } from "../ui/bits.js";
import { html } from "../ui/html.js";
import { Icon } from "../ui/icons.js";
import { PagesFailed } from "../ui/pages-end.js";
import { WriteAs, canWrite } from "../ui/write-as.js";

const PATH = "/dev/outbox";
const EVERY = 3_000;
const COLUMNS = {
  sms: { name: "Phone", none: "No SMS yet." },
  email: { name: "Mail", none: "No mail yet." },
  push: { name: "Push", none: "Nothing pushed yet." },
  telegram: { name: "Telegram", none: "Nothing from the bot yet." },
};
// The hub tells so many of each simulator at most: of so many, more may have come.
const MOST = 100;
const FORMS = { html: "HTML", text: "Plain text" };

// The simulators tell nobody that something came.
function useFresh(list) {
  useEffect(() => {
    const timer = setTimeout(() => document.hidden || list.reload(), EVERY);
    return () => clearTimeout(timer);
  }, [list.items, list.problem]);
}

function Form({ value, change }) {
  return html`<fieldset class="segments"><legend class="visually-hidden">Shown as</legend>
    ${Object.entries(FORMS).map(([form, label]) => html`<label key=${form} class="segment">
      <input type="radio" name="form" value=${form} checked=${form === value} onChange=${() => change(form)} />
      <span class="segment-plain">${label}</span></label>`)}</fieldset>`;
}

// What stands in a mail may come from others: it is shown in a frame that may do nothing but open links elsewhere.
function Body({ message, form }) {
  const { simulator, id, subject, text } = message;
  if (!message.html || form === "text") return html`<pre class="code mail-text" tabindex="0">${text}</pre>`;
  return html`<iframe class="mail-frame" title="Mail: ${subject}" loading="lazy"
    sandbox="allow-popups allow-popups-to-escape-sandbox" referrerpolicy="no-referrer"
    src="${PATH}/${encodeURIComponent(simulator)}/${encodeURIComponent(id)}"></iframe>`;
}

function Headers({ headers }) {
  const all = Object.entries(headers ?? {});
  if (!all.length) return null;
  return html`<details class="mail-headers"><summary>Headers</summary>
    <dl>${all.map(([name, value]) => html`<div key=${name}><dt><code>${name}</code></dt><dd>${value}</dd></div>`)}</dl>
  </details>`;
}

function Message({ message }) {
  const [form, setForm] = useState("html");
  return html`<article class="card mail" aria-labelledby="mail-subject">
    <header class="mail-head"><div class="grow"><h2 id="mail-subject">${message.subject || "Mail"}</h2>
      <p class="muted small">to ${message.address} by ${message.simulator} · <${Time} value=${message.at} /></p></div>
      ${message.html && html`<${Form} value=${form} change=${setForm} />`}</header>
    <${Body} message=${message} form=${form} />
    <${Headers} headers=${message.headers} />
  </article>`;
}

const keyOf = ({ simulator, id }) => `${simulator}/${id}`;

function MailRow({ message, chosen }) {
  const { subject, text, address, at } = message;
  return html`<li><a class="mail-row" href=${withQuery("/outbox", { id: keyOf(message) })}
    aria-current=${chosen ? "true" : undefined}><span class="grow"><strong class="clip">${subject || text}</strong>
    <span class="muted small clip">${address}</span></span><${Time} value=${at} className="muted small" /></a></li>`;
}

// As on the device: a push has a title, an SMS and a message of the bot are a bubble.
function Bubble({ message }) {
  const { channel, subject, text, address, at } = message;
  return html`<li class="bubble-item"><div class="bubble bubble-${channel}">
      ${subject && html`<strong>${subject}</strong>`}<p class="bubble-text">${text}</p></div>
    <p class="muted small bubble-to"><span class="clip" title=${address}>to ${address}</span>
      <${Time} value=${at} /></p></li>`;
}

function counted(items) {
  const isFull = items.some(({ simulator }) => items.filter((one) => one.simulator === simulator).length >= MOST);
  return isFull ? `latest ${items.length}` : items.length;
}

function Column({ channel, list, items, chosen }) {
  const { name, none } = COLUMNS[channel];
  const row = (one) =>
    channel === "email"
      ? html`<${MailRow} key=${keyOf(one)} message=${one} chosen=${one === chosen} />`
      : html`<${Bubble} key=${keyOf(one)} message=${one} />`;
  return html`<section class="card outbox-column" aria-labelledby="outbox-${channel}">
    <h2 id="outbox-${channel}">${name} <span class="muted numbers">${counted(items)}</span></h2>
    ${items.length === 0
      ? html`<p class="muted small outbox-none">${none}</p>`
      : html`<ol class="mail-list" tabindex="0" aria-label="${name}, the latest first">${items.map(row)}</ol>`}
    ${canWrite(channel, list.page?.simulators) &&
    html`<${WriteAs} channel=${channel} last=${items[0]?.address} sent=${list.reload} />`}
  </section>`;
}

function Empty() {
  return html`<div class="empty card"><span class="empty-sign"><${Icon} name="outbox" size=${28} /></span>
    <h2>Nothing sent yet</h2>
    <p class="muted">What the hub sends on this machine ends here, and reaches nobody. Add a number, a mail address or a
      device in your${" "}<a href="/endpoints">addresses</a>, or as the platform with PUT /v1/users/ID.</p></div>`;
}

function List({ list, id }) {
  if (list.problem && !list.items.length) return html`<${PagesFailed} list=${list} what="The outbox" />`;
  if (!list.page) return html`<p class="loading"><${Spinner} /></p>`;
  const of = (channel) => list.items.filter((one) => (one.channel ?? "email") === channel);
  const mails = of("email");
  const chosen = mails.find((one) => keyOf(one) === id) ?? mails[0];
  return html`${list.items.length === 0 && html`<${Empty} />`}
    <div class="outbox">${Object.keys(COLUMNS).map((channel) => html`
      <${Column} key=${channel} channel=${channel} list=${list} items=${of(channel)} chosen=${chosen} />`)}</div>
    ${chosen && html`<${Message} key=${keyOf(chosen)} message=${chosen} />`}`;
}

export function OutboxPage() {
  const { id } = route.value.query;
  const list = usePages(PATH);
  useFresh(list);
  useEffect(() => {
    document.title = "Outbox · Hub";
  }, []);
  return html`<section class="wide" aria-label="Outbox">
    <header class="page-head"><div class="grow"><h1>Outbox</h1>
      <p class="muted">What would have been sent to people; here simulators take it instead.</p></div></header>
    <${List} list=${list} id=${id} />
  </section>`;
}
