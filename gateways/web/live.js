// Owns how the signed-in person's live events get from the socket into the feed, and what happens after a break.
import { effect } from "@preact/signals";
import { get, withQuery } from "./api.js";
import * as feed from "./feed.js";
import { isAdmin, session } from "./session.js";
import { ask, connect, disconnect } from "./socket.js";
import { load, save, tab } from "./storage.js";
import { Subscriptions } from "./subscriptions.js";
import { notify } from "./ui/toasts.js";
import * as zones from "./zones.js";

const PUBLIC = /^(content\.(created|liked|unliked|commented|shared|deleted)|live\.(started|ended)|governance\.)/;
const UNNOTICED = 3_000;
const OVERLAP = 10_000;
let subscriptions, lostAt, journalKey;

// Whether the hub has confirmed that this browser hears a zone.
export const hears = (zone) => subscriptions?.zones.value.has(zone) ?? false;

export function start() {
  const { user } = session.value;
  journalKey = `hub.feed.${user}`;
  zones.start(user);
  feed.reset(want);
  subscriptions = new Subscriptions((name, body) => ask("/feed", name, body), refused);
  const stopFollowing = effect(want);
  restore();
  connect({ event: received, connected, lost });
  window.addEventListener("pagehide", keep);
  return () => {
    keep();
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
  if (namespace !== "/feed") return;
  subscriptions.connected(recovered);
  const since = lostAt;
  lostAt = undefined;
  if (recovered) return;
  if (isAdmin.value) catchUp(since);
  else if (since && Date.now() - since > UNNOTICED) feed.gap(since);
}

function lost(namespace) {
  if (namespace !== "/feed") return;
  subscriptions.lost();
  lostAt ??= Date.now();
}

// Admins may read the log, so nothing that is public has to be missing for them.
async function catchUp(from) {
  try {
    const since = from && new Date(from - OVERLAP).toISOString();
    const { items } = await get(withQuery("/v1/events", { since, limit: 100, order: "desc" }));
    for (const event of items.reverse()) {
      const tipOnContent = event.type === "hours.tipped" && event.data.content_id && !event.data.conversation_id;
      if (PUBLIC.test(event.type) || tipOnContent) feed.receive("/feed", event, { live: false });
    }
  } catch (error) {
    notify({ problem: error, title: "Earlier events could not be loaded" });
  }
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
