// Owns turning a trace into the steps of a timeline; pure.
import { dayClock } from "./format.js";
import { became, channel as nameOf, reason as reasonOf } from "./topics.js";

const TONES = { handled: "good", parked: "warn", dead: "bad" };
const MORE = { key: "more", title: "More people", at: null, tone: "idle", text: "Only the first of them are shown." };
const DECIDED = { drop: "idle", hold: "warn" };
const DELIVERED = {
  queued: "waiting",
  held: "warn",
  sending: "waiting",
  failed: "bad",
  bounced: "bad",
  unknown: "warn",
  dropped: "idle",
};
const WORDS = { handled: "handled", parked: "parked, will be tried again", dead: "gave up", waiting: "waiting" };

export function steps(trace) {
  const all = [
    {
      key: "accepted",
      title: "Accepted",
      at: trace.accepted_at,
      tone: "good",
      text: "Committed with its place in the outbox",
    },
    relayed(trace),
    ...(trace.live?.length ? [live(trace)] : []),
    ...inTime([...[...trace.groups].sort(byTime).map(group), ...trace.notifications.flatMap(notification)]),
    ...(trace.notifications_next ? [MORE] : []),
  ];
  return all.map((step, index) => ({ ...step, after: since(step, all.slice(0, index)) }));
}

function relayed({ relayed_at: at, seq }) {
  if (!at) return { key: "relayed", title: "Waiting for the relay", at: null, tone: "waiting" };
  return { key: "relayed", title: "Relayed", at, tone: "good", text: `Number ${seq} of the log` };
}

// The relay writes the live packet with the number; there is no later moment to tell.
function live({ live: rooms, relayed_at: at }) {
  return {
    key: "live",
    title: "Live",
    at: null,
    tone: at ? "good" : "waiting",
    rooms: rooms.map(({ namespace, room }) => `${namespace} → ${room}`),
  };
}

function group({ group: name, state, at, attempts, error }) {
  const tried = attempts > 1 || state !== "handled" ? `${attempts} ${attempts === 1 ? "attempt" : "attempts"}` : "";
  return {
    key: `group ${name}`,
    title: `${name}: ${WORDS[state] ?? state}`,
    at,
    tone: TONES[state] ?? "waiting",
    text: tried,
    error,
  };
}

function notification({ user, notification_id: id, decisions = [], deliveries = [] }) {
  const decided = decisions.map(({ channel, action, reason, until, at }, index) => ({
    key: `${user} ${id} decision ${index}`,
    title: `${user}: ${action} on ${nameOf(channel)}`,
    at,
    tone: DECIDED[action] ?? "good",
    text: because(reason, until),
  }));
  const delivered = deliveries.map(({ id: delivery, channel, status, reason, attempts = [] }) => ({
    key: `${user} ${id} delivery ${delivery}`,
    title: `${user}: ${became(status, reason)} by ${nameOf(channel)}`,
    at: attempts.at(-1)?.at ?? null,
    tone: DELIVERED[status] ?? "good",
    text: because(reason),
    attempts,
  }));
  return [...decided, ...delivered];
}

const because = (word, until) => [reasonOf(word), until && `until ${dayClock(until)}`].filter(Boolean).join(", ");

const timeOf = ({ at }) => (at ? new Date(at).getTime() : Number.MAX_SAFE_INTEGER);
const byTime = (one, other) => timeOf(one) - timeOf(other);

// What has no time stays behind what it was listed after.
function inTime(listed) {
  let latest = 0;
  const placed = listed.map((step) => {
    if (step.at) latest = new Date(step.at).getTime();
    return { step, place: latest };
  });
  return placed.sort((one, other) => one.place - other.place).map(({ step }) => step);
}

// From the last step that has a time: what had none took none. Clocks of hosts that differ tell no time between.
function since({ at }, earlier) {
  const before = earlier.findLast((step) => step.at)?.at;
  const took = at && before ? new Date(at) - new Date(before) : null;
  return took < 0 ? null : took;
}
