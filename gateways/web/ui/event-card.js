// Owns how everything that is not a post looks in the feed.
import { useComputed } from "@preact/signals";
import { useId } from "preact/hooks";
import { describe } from "../describe.js";
import { about, titleOf } from "../feed.js";
import { duration, fullTime, now, until } from "../format.js";
import { isAdmin, session } from "../session.js";
import { Time } from "./bits.js";
import { html } from "./html.js";
import { Icon } from "./icons.js";

// An event's data is written by others: only addresses that cannot run script become links.
export function safeUrl(text) {
  try {
    const url = new URL(text);
    return ["https:", "http:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

export function TraceLink({ event }) {
  if (!isAdmin.value) return null;
  const label = `Trace of ${event.type}`;
  return html`<a class="icon-button trace-link" href="/events/${event.id}" aria-label=${label} title="Trace">
    <${Icon} name="trace" size=${18} /></a>`;
}

function Votes({ votes }) {
  const total = Object.values(votes).reduce((sum, number) => sum + number, 0);
  if (!total) return html`<p class="muted small">No votes seen yet.</p>`;
  const sorted = Object.entries(votes).sort(([, one], [, other]) => other - one);
  return html`<ul class="votes">${sorted.map(([choice, number]) => html`
    <li key=${choice}><span class="clip">${choice}</span>
      <meter class="vote-bar" min="0" max=${total} value=${number}
        aria-label="${choice}: ${number} of ${total} votes"></meter>
      <span class="numbers">${number}</span></li>`)}</ul>`;
}

function Proposal({ event }) {
  const { closes_at: closes, zone } = event.data;
  const left = closes && until(closes, now.value);
  return html`
    ${(closes || zone) && html`<p class="muted small">
      ${zone && html`<span class="tag">${zone}</span> `}
      ${closes && html`<span title=${fullTime(closes)}>${left ? `closes ${left}` : "closed"}</span>`}</p>`}
    <${Votes} votes=${about(event).value.votes} />`;
}

function Stream({ event }) {
  const { endedAt } = about(event).value;
  const url = safeUrl(event.data.playback_url);
  const lasted = endedAt && duration(new Date(endedAt) - new Date(event.time));
  if (lasted) return html`<p class="muted small">Ended after ${lasted}.</p>`;
  return html`<p class="stream-line"><span class="tag tag-live"><span class="dot dot-on-air"></span>Live</span>
    ${url && html` <a href=${url} target="_blank" rel="noopener noreferrer">Watch</a>`}</p>`;
}

const MORE = { "governance.proposal_created": Proposal, "live.started": Stream };
const KICKERS = { "governance.proposal_created": "New proposal", "system.announced": "Announcement" };

export function EventCard({ card }) {
  const id = useId();
  const { event, personal } = card;
  const title = useComputed(() => titleOf(event)).value;
  const { icon, tone, text, more } = describe(event, session.value?.user, title);
  const More = MORE[event.type];
  const url = event.type === "system.announced" && safeUrl(event.data.url);
  const kind = `card event tone-${tone} ${personal ? "personal" : ""}`;
  return html`<article class=${kind} tabindex="-1" data-card aria-labelledby=${id}>
    <span class="badge"><${Icon} name=${icon} /></span>
    <div class="grow">
      <div class="event-head"><p class="event-text grow" id=${id}>
        ${KICKERS[event.type] && html`<span class="kicker">${KICKERS[event.type]}</span>`}${text}</p>
        <${Time} value=${event.time} className="event-time" /><${TraceLink} event=${event} /></div>
      ${more && html`<p class="event-more">${more}</p>`}
      ${url && html`<p><a href=${url} target="_blank" rel="noopener noreferrer">Read more</a></p>`}
      ${More && html`<${More} event=${event} />`}
    </div>
  </article>`;
}

export function GapCard({ gap }) {
  return html`<p class="gap" role="note">You were disconnected for ${duration(gap.away)}.
    What was published meanwhile may be missing here.</p>`;
}
