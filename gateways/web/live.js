// Owns how the signed-in person's live events get from the socket into the feed, and what happens after a break.
import { effect } from "@preact/signals";
import { get, withQuery } from "./api.js";
import * as feed from "./feed.js";
import * as inbox from "./inbox.js";
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
const READ_WITHIN = 20_000;
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
let subscriptions, began, lostAt, unrecovered, journalKey, reading;

// Whether the hub has confirmed that this browser hears a zone.
export const hears = (zone) => subscriptions?.zones.value.has(zone) ?? false;

export function start() {
  const { user } = session.value;
  journalKey = `hub.feed.${user}`;
  [began, lostAt, unrecovered] = [Date.now(), undefined, false];
  reading = { times: 0, since: undefined, held: [] };
  zones.start(user);
  feed.reset(want);
  inbox.reset();
  subscriptions = new Subscriptions((name, body) => ask("/feed", name, body), refused);
  const stopFollowing = effect(want);
  restore();
  connect({ event: received, connected, lost });
  window.addEventListener("pagehide", keep);
  document.addEventListener("visibilitychange", keepWhileHidden);
  // Stopped because the session has ended: nothing is kept of it.
  return () => {
    window.removeEventListener("pagehide", keep);
    document.removeEventListener("visibilitychange", keepWhileHidden);
    stopFollowing();
    disconnect();
    inbox.reset();
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

function received(namespace, name, payload, offset) {
  if (namespace === "/notifications" && inbox.receive(name, payload)) return;
  if (payload?.type !== name) return;
  if (catchingUp()) reading.held.push({ namespace, event: payload, seq: number(offset), live: true });
  else feed.receive(namespace, payload);
}

// From the first namespace that came back without what it missed until that is read, or known to be missing.
const catchingUp = () => unrecovered || reading.times > 0;
const number = (seq) => Number(seq) || Infinity; // what has no number yet comes last

// What was read and what came meanwhile take their places together, in the order of the log.
function place() {
  if (catchingUp()) return;
  const held = reading.held.splice(0).sort((one, other) => (one.seq < other.seq ? -1 : Number(one.seq > other.seq)));
  for (const { namespace, event, live } of held) feed.receive(namespace, event, { live });
}

function connected(namespace, recovered) {
  if (namespace === "/feed") subscriptions.connected(recovered);
  if (namespace === "/notifications") inbox.connected(recovered);
  unrecovered ||= !recovered;
  // Asked once, when every namespace has said whether it missed something.
  if (status.value !== "live") return;
  const [since, complete] = [lostAt, !unrecovered];
  [lostAt, unrecovered] = [undefined, false];
  if (!complete && isAdmin.value) return void catchUp(since);
  if (!complete) gap(since);
  place();
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
  const mine = reading;
  const back = Date.now();
  mine.times += 1;
  mine.since = Math.min(mine.since ?? Infinity, from ?? began);
  const { events, complete, problem } = await missed(from && overlapping(Math.min(from, mine.since)));
  mine.times -= 1;
  if (reading !== mine || session.value?.user !== user) return;
  // What could not be read is asked for again after the next break or a reload.
  if (!mine.times && !problem) mine.since = undefined;
  if (!complete) gap(from, back);
  for (const event of events) {
    const namespace = audience(event, user);
    if (namespace) mine.held.push({ namespace, event, seq: number(event.seq), live: false });
  }
  place();
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
  // A hub that never answers must not keep back for ever what comes in live.
  const signal = AbortSignal.timeout(READ_WITHIN);
  let cursor;
  try {
    do {
      const page = await get(withQuery("/v1/events", { since, cursor, limit: PAGE, order: "desc" }), { signal });
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
  const at = lostAt ?? reading.since ?? (unrecovered ? began : Date.now());
  let entries = feed.remember();
  // A tab holds a few megabytes: where all of it is too much, the later half is kept.
  while (!save(tab, journalKey, { at, entries }) && entries.length)
    entries = entries.slice(Math.ceil(entries.length / 2));
}

// A browser that drops a tab in the background says no more than that it is hidden.
const keepWhileHidden = () => document.hidden && keep();

// A reload shows what was there before it; after a longer absence the feed says that there is a gap.
function restore() {
  const kept = load(tab, journalKey, null);
  if (!Array.isArray(kept?.entries)) return;
  feed.recall(kept.entries);
  if (kept.entries.length) lostAt = kept.at;
}
