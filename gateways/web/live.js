// Owns how the signed-in person's live events get from the socket into the feed, and what happens after a break.
import { effect } from "@preact/signals";
import { get, withQuery } from "./api.js";
import * as feed from "./feed.js";
import { isAdmin, session } from "./session.js";
import { ask, connect, disconnect, status } from "./socket.js";
import { load, save, tab } from "./storage.js";
import { Subscriptions } from "./subscriptions.js";
import { notify } from "./ui/toasts.js";
import * as zones from "./zones.js";

const PUBLIC = /^(content\.(created|liked|unliked|commented|shared|deleted)|live\.(started|ended)|governance\.)/;
const OVERLAP = 10_000;
const PAGE = 200;
const MOST_MISSED = 1_000;
// Which member of what is told to one person alone names that person.
const ADDRESSEE = {
  "hours.tipped": "to",
  "hours.earned": "user",
  "hours.spent": "user",
  "milestone.reached": "user",
  "storefront.membership_new": "creator",
  "storefront.purchased": "seller",
  "user.followed": "target",
  "user.subscribed": "target",
};
let subscriptions, began, lostAt, unrecovered, journalKey;

// Whether the hub has confirmed that this browser hears a zone.
export const hears = (zone) => subscriptions?.zones.value.has(zone) ?? false;

export function start() {
  const { user } = session.value;
  journalKey = `hub.feed.${user}`;
  [began, lostAt, unrecovered] = [Date.now(), undefined, false];
  zones.start(user);
  feed.reset(want);
  subscriptions = new Subscriptions((name, body) => ask("/feed", name, body), refused);
  const stopFollowing = effect(want);
  restore();
  connect({ event: received, connected, lost });
  window.addEventListener("pagehide", keep);
  // Stopped because the session has ended: nothing is kept of it.
  return () => {
    window.removeEventListener("pagehide", keep);
    stopFollowing();
    disconnect();
  };
}

function want() {
  subscriptions.want({ zones: zones.followed.value, ...feed.targets() });
}

function refused(kind, ids, error) {
  if (kind !== "zones") return;
  for (const zone of ids) zones.unfollow(zone);
  notify({ text: error.message, title: `The zone ${ids.join(", ")} was refused` });
}

function received(namespace, name, payload) {
  if (payload?.type === name) feed.receive(namespace, payload);
}

function connected(namespace, recovered) {
  if (namespace === "/feed") subscriptions.connected(recovered);
  unrecovered ||= !recovered;
  // Asked once, when every namespace has said whether it missed something.
  if (status.value !== "live") return;
  const [since, complete] = [lostAt, !unrecovered];
  [lostAt, unrecovered] = [undefined, false];
  if (complete) return;
  if (isAdmin.value) catchUp(since);
  else gap(since);
}

function lost(namespace) {
  if (namespace === "/feed") subscriptions.lost();
  lostAt ??= Date.now();
}

function gap(since, until = Date.now()) {
  if (since) feed.gap(since, until - since);
}

// Admins may read the log, so nothing has to be missing for them.
async function catchUp(from) {
  const { user } = session.value;
  const back = Date.now();
  const { events, complete, problem } = await missed(from && overlapping(from));
  if (session.value?.user !== user) return;
  if (!complete) gap(from, back);
  for (const event of events) {
    const namespace = audience(event, user);
    if (namespace) feed.receive(namespace, event, { live: false });
  }
  if (problem) notify({ problem, title: "Earlier events could not be loaded" });
}

// From a little earlier, for clocks that differ; but what was old when this page opened is not news now.
function overlapping(from) {
  const since = from < began ? from - OVERLAP : Math.max(from - OVERLAP, began - 1_000);
  return new Date(since).toISOString();
}

// Oldest first; without a time the last page alone is enough to begin with.
async function missed(since) {
  const events = [];
  let cursor;
  try {
    do {
      const page = await get(withQuery("/v1/events", { since, cursor, limit: PAGE, order: "desc" }));
      events.unshift(...page.items.reverse());
      cursor = page.next;
    } while (since && cursor && events.length < MOST_MISSED);
  } catch (problem) {
    return { events, complete: false, problem };
  }
  return { events, complete: !cursor };
}

// Where the hub would have sent an event to this person, if at all.
function audience({ type, data }, user) {
  if (type === "system.announced" || (type in ADDRESSEE && data[ADDRESSEE[type]] === user)) return "/notifications";
  const tipOnContent = type === "hours.tipped" && data.content_id && !data.conversation_id;
  return PUBLIC.test(type) || tipOnContent ? "/feed" : null;
}

function keep() {
  save(tab, journalKey, { at: Date.now(), entries: feed.remember() });
}

// A reload shows what was there before it; after a longer absence the feed says that there is a gap.
function restore() {
  const kept = load(tab, journalKey, null);
  if (!Array.isArray(kept?.entries)) return;
  feed.recall(kept.entries);
  if (kept.entries.length) lostAt = kept.at;
}
