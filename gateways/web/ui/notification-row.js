// Owns how one notification looks, and what can be done with it.
import { isAdmin } from "../session.js";
import { topic } from "../topics.js";
import { Time } from "./bits.js";
import { safeUrl } from "./event-card.js";
import { html } from "./html.js";
import { Icon } from "./icons.js";

const READ = ["read", "read", "Mark as read"];
const UNREAD = ["unread", "unread", "Mark as unread"];
const BACK = ["unread", "up", "Take back to the inbox"];
const ARCHIVE = ["archive", "archive", "Archive"];
const ACTIONS = { unread: [READ, ARCHIVE], read: [UNREAD, ARCHIVE], archived: [BACK] };

function Actions({ notification, act }) {
  const { title, state } = notification;
  return html`<div class="notice-actions">
    ${isAdmin.value && notification.event_ids?.length > 0 && html`
      <a class="icon-button" href="/events/${notification.event_ids[0]}" aria-label="Trace of ${title}" title="Trace">
        <${Icon} name="trace" size=${18} /></a>`}
    ${ACTIONS[state].map(([verb, icon, label]) => html`
      <button key=${icon} type="button" class="icon-button" aria-label="${label}: ${title}" title=${label}
        onClick=${({ currentTarget }) => act(notification, verb, currentTarget)}>
        <${Icon} name=${icon} size=${18} /></button>`)}
  </div>`;
}

function Title({ notification, act }) {
  const url = safeUrl(notification.url);
  if (!url) return notification.title;
  const seen = ({ currentTarget }) => notification.state === "unread" && act(notification, "read", currentTarget);
  return html`<a href=${url} target="_blank" rel="noopener noreferrer" onClick=${seen}>${notification.title}</a>`;
}

export function NotificationRow({ notification, act }) {
  const { id, state, text, updated_at: at } = notification;
  const { name, icon, tone } = topic(notification.topic);
  return html`<li class="notice tone-${tone} notice-${state}" tabindex="-1" data-notification=${id}>
    <span class="badge"><${Icon} name=${icon} /></span>
    <div class="grow">
      <p class="notice-title">${state === "unread" && html`<span class="visually-hidden">Unread: </span>`}
        <${Title} notification=${notification} act=${act} /></p>
      ${text && html`<p class="notice-text muted">${text}</p>`}
      <p class="muted small">${name} · <${Time} value=${at} /></p>
    </div>
    <${Actions} notification=${notification} act=${act} />
  </li>`;
}
