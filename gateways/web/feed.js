// Owns the live feed: which cards there are, what has happened to them, and what waits above the reader.
import { batch, computed, signal } from "@preact/signals";
import { NOTHING, apply, isReaction, target } from "./reactions.js";

const SHOWN = 200;
const MARKS = 5_000;
const JOURNAL = 400;
const FLUSH_EVERY = 80;
const ACTIVITY = 1_000;
const CREATED = new Set(["content.created", "governance.proposal_created"]);
const GAP = "gap"; // in the place of a namespace, in what is remembered

export const cards = signal([]); // newest first
export const waiting = signal([]); // arrived while the reader was further down
export const activity = signal([]); // when the events of the last minute arrived
export const liveNow = computed(() =>
  cards.value.filter(({ event }) => event?.type === "live.started" && !about(event).value.endedAt),
);

const TITLED = new Set([...CREATED, "live.started"]);
const titles = computed(() => {
  const titled = [...cards.value, ...waiting.value].filter(({ event }) => TITLED.has(event?.type));
  return new Map(titled.map(({ event }) => [target(event), event.data.title]));
});
// The title of what an event is about, where its card is there.
export const titleOf = (event) => titles.value.get(event.data && target(event));

let known, seen, journal, queue, timer, resolvers, targetsChanged;
let holding = () => false;

export function reset(onTargets = () => undefined) {
  clearTimeout(timer);
  [known, seen, journal, queue, resolvers] = [new Map(), new Set(), [], [], new Map()];
  [timer, targetsChanged] = [undefined, onTargets];
  batch(() => {
    for (const list of [cards, waiting, activity]) list.value = [];
  });
}
reset();

// The page says when its reader is further down or in a form: cards must not move under them.
export const holdWhile = (isBusy) => {
  holding = isBusy;
};

// A flood must not make the page render each event on its own: they are gathered for a few frames.
export function receive(namespace, event, { live = true } = {}) {
  if (typeof event?.id !== "string" || typeof event.type !== "string" || !event.data) return;
  queue.push({ namespace, event, live });
  timer ??= setTimeout(flush, FLUSH_EVERY);
}

function flush() {
  timer = undefined;
  const arrived = queue;
  queue = [];
  batch(() => {
    const fresh = [];
    let live = 0;
    for (const item of arrived) {
      const card = cardOf(item);
      const reacted = react(item.event);
      if (card) {
        fresh.unshift(card);
        revive(item.event);
      }
      if (card || reacted) write(item);
      if (item.live && (card || reacted)) live += 1;
    }
    if (live) note(live);
    if (fresh.length) place(fresh);
  });
  for (const { event } of arrived) settle(event.id, true);
}

// What is meant for this person stands out as a card, also where it is a reaction to something as well.
function cardOf({ namespace, event }) {
  const personal = namespace === "/notifications";
  if (!personal && isReaction(event.type)) return null;
  if (!once(`card ${event.id}`)) return null;
  // Whoever publishes the same thing again has changed it: one card, which says what was said last.
  return { key: (CREATED.has(event.type) && target(event)) || event.id, event, personal };
}

function revive(event) {
  if (!CREATED.has(event.type) || !about(event).peek().deleted) return;
  about(event).value = { ...about(event).peek(), deleted: false };
}

function react(event) {
  if (!isReaction(event.type) || !target(event) || !once(`reaction ${event.id}`)) return false;
  const state = about(event);
  state.value = apply(state.peek(), event);
  return true;
}

// The same event comes by two namespaces, after a reconnect, and from the log: it counts once.
function once(mark) {
  if (seen.has(mark)) return false;
  seen.add(mark);
  if (seen.size > MARKS) seen.delete(seen.values().next().value);
  return true;
}

export function about(event) {
  const name = target(event);
  if (!known.has(name)) known.set(name, signal(NOTHING));
  return known.get(name);
}

function write({ namespace, event }) {
  journal.push([namespace, event]);
  if (journal.length > JOURNAL) journal.splice(0, journal.length - JOURNAL);
}

function note(times) {
  const at = Date.now();
  const lastMinute = activity.peek().filter((earlier) => earlier > at - 60_000);
  activity.value = [...lastMinute, ...Array(times).fill(at)].slice(-ACTIVITY);
}

function place(fresh) {
  if (holding()) waiting.value = newest([...fresh, ...waiting.peek()]);
  else show(fresh);
  const needed = new Set([...waiting.peek(), ...cards.peek()].map(({ event }) => event && target(event)));
  for (const name of known.keys()) if (!needed.has(name)) known.delete(name);
  targetsChanged();
}

// The end of the list still says that something is missing behind it.
function newest(list) {
  const keys = new Set();
  const distinct = list.filter(({ key }) => !keys.has(key) && keys.add(key));
  const gone = distinct.slice(SHOWN).find(({ gap }) => gap);
  return gone ? [...distinct.slice(0, SHOWN), gone] : distinct.slice(0, SHOWN);
}

function show(fresh) {
  cards.value = newest([...fresh, ...waiting.peek(), ...cards.peek()]);
  waiting.value = [];
}

export const release = () => waiting.peek().length && batch(() => show([]));

// A line in the feed that says honestly: here something may be missing.
// A connection that breaks again and again while nothing happens draws one line, not many.
export function gap(since, away) {
  clearTimeout(timer);
  flush();
  const list = waiting.peek().length ? waiting : cards;
  const [latest, ...others] = list.peek();
  const line = longer(latest?.gap, { since, away });
  const [namespace, noted] = journal.at(-1) ?? [];
  if (namespace === GAP) journal.pop();
  write({ namespace: GAP, event: longer(namespace === GAP && noted, { since, away }) });
  const card = { key: `gap ${line.since}`, gap: line };
  if (latest?.gap) list.value = [card, ...others];
  else batch(() => place([card]));
}

const longer = (before, { since, away }) =>
  before ? { since: before.since, away: before.away + away } : { since, away };

// What the live connection has to listen to, beside the feed itself.
export function targets() {
  const found = { content: [], proposals: [] };
  for (const { event } of [...waiting.peek(), ...cards.peek()]) {
    if (event?.type === "content.created") found.content.push(event.data.content_id);
    if (event?.type === "governance.proposal_created") found.proposals.push(event.data.proposal_id);
  }
  return found;
}

// Whether the event has come through the live connection before the time is up.
export function appears(id, within) {
  if (seen.has(`card ${id}`) || seen.has(`reaction ${id}`)) return Promise.resolve(true);
  return new Promise((resolve) => {
    resolvers.set(id, resolve);
    setTimeout(settle, within, id, false);
  });
}

function settle(id, came) {
  resolvers.get(id)?.(came);
  resolvers.delete(id);
}

export function remember() {
  clearTimeout(timer);
  flush();
  return journal;
}

export function recall(entries) {
  for (const [namespace, event] of entries) {
    if (namespace === GAP) gap(event.since, event.away);
    else receive(namespace, event, { live: false });
  }
  clearTimeout(timer);
  flush();
}
