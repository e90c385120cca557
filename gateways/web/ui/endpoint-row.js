// Owns how one address of a person is shown: its state, its name, when it was used, and how to remove it.
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { request } from "../api.js";
import { PATH } from "../endpoints.js";
import { topic } from "../topics.js";
import { Field, Time } from "./bits.js";
import { html } from "./html.js";
import { Icon } from "./icons.js";
import { notify } from "./toasts.js";
import { VerifyBox } from "./verify-box.js";

const STATES = {
  pending: { label: "Not verified yet", tone: "warn" },
  active: { label: "In use", tone: "good" },
  retired: { label: "No longer used", tone: "plain" },
};
// Verified, but nothing is sent on this channel, or nothing is wanted there.
const OFF = { label: "Switched off", tone: "plain" };
const UNSUBSCRIBED = { label: "Unsubscribed", tone: "warn" };
const WHY_ALL = { email: ": mails were unsubscribed, reported as spam or came back", sms: ": it answered STOP" };
const BACK = {
  email: "To get mails there again, add the address anew below; if a link is sent there, open it.",
  sms: "To get SMS there again, answer START to one of ours.",
};
const WHY = {
  moved: "somebody else signed in on the device",
  bounced: "mails came back",
  gone: "the app is gone from the device",
  blocked: "the bot was blocked",
};
export const stopped = (topics) =>
  topics.includes("all") ? "everything" : topics.map((name) => topic(name).name).join(", ");
// A push token tells nobody anything: the device has a name, or its end is shown.
const short = (address) => (address.length > 40 ? `…${address.slice(-12)}` : address);

const refusesAll = ({ state, unsubscribed }) => state === "active" && unsubscribed.includes("all");

function stateOf(endpoint, used) {
  if (refusesAll(endpoint)) return UNSUBSCRIBED;
  return endpoint.state === "active" && !used ? OFF : STATES[endpoint.state];
}

export const called = ({ channel, name, platform, address }) =>
  name || (channel === "push" && platform) || (channel === "telegram" ? "Telegram chat" : short(address));

function Facts({ endpoint }) {
  const { channel, address, name, platform, created_at: added, used_at: used, unsubscribed } = endpoint;
  const title = called(endpoint);
  const more = [short(address), channel === "push" && name && platform].filter((one) => one && one !== title);
  return html`<p class="muted small">
      ${more.map((one) => html`<span key=${one}>${one} · </span>`)}added <${Time} value=${added} />
      ${" · "}${used ? html`last used <${Time} value=${used} />` : "not used yet"}</p>
    ${refusesAll(endpoint)
      ? html`<p class="small">Nothing is sent there${WHY_ALL[channel] ?? ""}. ${BACK[channel] ?? ""}</p>`
      : unsubscribed.length > 0 && html`<p class="muted small">Unsubscribed: ${stopped(unsubscribed)}</p>`}`;
}

function Rename({ endpoint, done }) {
  const [name, setName] = useState(endpoint.name ?? "");
  const [error, setError] = useState(null);
  const field = useRef(null);
  useLayoutEffect(() => field.current.select(), []);
  const submit = async (event) => {
    event.preventDefault();
    try {
      await request("PATCH", `${PATH}/${endpoint.id}`, { body: { name: name.trim() || null } });
      done(true);
    } catch (problem) {
      setError(problem.errors?.[0]?.message ?? problem.message);
    }
  };
  const escape = (press) => {
    if (press.key !== "Escape") return;
    press.stopPropagation();
    done(false);
  };
  return html`<form class="endpoint-rename" onSubmit=${submit} onKeyDown=${escape} noValidate
    aria-label="Rename ${called(endpoint)}">
    <${Field} label="Name" error=${error}>${(given) => html`
      <input ...${given} ref=${field} class="input input-small" name="endpoint-name" autocomplete="off" maxlength="200"
        value=${name} onInput=${({ target }) => setName(target.value)} />`}<//>
    <button class="button button-small">Save</button>
    <button type="button" class="button button-quiet button-small" onClick=${() => done(false)}>Cancel</button>
  </form>`;
}

function Sure({ endpoint, keep, gone }) {
  const stay = useRef(null);
  // Before anything else is pressed: the button that had the focus is gone.
  useLayoutEffect(() => stay.current.focus(), []);
  const remove = async () => {
    try {
      await request("DELETE", `${PATH}/${endpoint.id}`);
    } catch (problem) {
      notify({ problem, title: "Not removed" });
    }
    gone();
  };
  return html`<div class="endpoint-sure" role="group" aria-label="Remove ${called(endpoint)}?">
    <p class="grow">${endpoint.state === "retired" ? "Nothing is sent there any more. Take it off the list?"
      : "Nothing more will be sent there. Remove it?"}</p>
    <button type="button" class="button button-small" ref=${stay} onClick=${keep}>Keep</button>
    <button type="button" class="button button-small button-bad" onClick=${remove}>Remove</button>
  </div>`;
}

function Actions({ endpoint, start }) {
  const name = called(endpoint);
  return html`<div class="endpoint-actions">
    ${endpoint.state !== "retired" && html`<button type="button" class="icon-button" aria-label="Rename ${name}"
      title="Rename" onClick=${() => start("name")}><${Icon} name="pen" size=${18} /></button>`}
    <button type="button" class="icon-button" aria-label="Remove ${name}" title="Remove" onClick=${() => start("sure")}>
      <${Icon} name="close" size=${18} /></button></div>`;
}

export function EndpointRow({ endpoint, used, skew, fresh, offered, reload, gone }) {
  const [doing, setDoing] = useState(null);
  const heading = useRef(null);
  const { state, retired_reason: why } = endpoint;
  const { label, tone } = stateOf(endpoint, used);
  // The button that was pressed goes; the focus stays at the address it was about.
  const end = (changed) => {
    setDoing(null);
    if (changed) reload();
    heading.current?.focus();
  };
  const proved = (done) => {
    reload();
    if (done) heading.current?.focus();
  };
  return html`<li class="endpoint">
    <div class="endpoint-head"><div class="grow">
      <p class="endpoint-title"><strong class="clip" ref=${heading} tabindex="-1">${called(endpoint)}</strong>
        <span class="tag state-${tone}">${label}</span></p>
      ${state === "retired" && why && html`<p class="small">${WHY[why] ?? why}</p>`}
      <${Facts} endpoint=${endpoint} /></div>
      ${!doing && html`<${Actions} endpoint=${endpoint} start=${setDoing} />`}</div>
    ${doing === "name" && html`<${Rename} endpoint=${endpoint} done=${end} />`}
    ${doing === "sure" && html`<${Sure} endpoint=${endpoint} keep=${() => end(false)} gone=${gone} />`}
    ${state === "pending" && doing !== "sure" && html`
      <${VerifyBox} endpoint=${endpoint} skew=${skew} fresh=${fresh} offered=${offered} changed=${proved} />`}
  </li>`;
}
