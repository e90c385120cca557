// Owns the sentence, sign and colour of each type of event; a type nobody wrote a line for still reads sensibly.
import { hours, money } from "./format.js";

const someone = (user) => user ?? "Someone";
const named = (title, id) => (title ? `“${title}”` : id);

const TYPES = {
  "content.created": {
    icon: "post",
    tone: "accent",
    say: ({ data }) => `${data.author} published “${data.title}”`,
  },
  "content.liked": {
    icon: "like",
    tone: "like",
    say: ({ actor, data }, _, title) => `${someone(actor)} liked ${named(title, data.content_id)}`,
  },
  "content.unliked": {
    icon: "like",
    tone: "like",
    say: ({ actor, data }, _, title) => `${someone(actor)} took back a like of ${named(title, data.content_id)}`,
  },
  "content.commented": {
    icon: "comment",
    tone: "accent",
    say: ({ actor, data }) => `${someone(actor)}: “${data.text}”`,
  },
  "content.shared": {
    icon: "share",
    tone: "accent",
    say: ({ actor, data }, _, title) => `${someone(actor)} shared ${named(title, data.content_id)}`,
  },
  "content.deleted": {
    icon: "close",
    tone: "plain",
    say: ({ data }, _, title) => `${named(title, data.content_id)} was deleted`,
  },
  "hours.tipped": {
    icon: "tip",
    tone: "tip",
    say: ({ actor, data }, me) =>
      `${someone(actor)} tipped ${data.to === me ? "you" : data.to} ${hours(data.amount)}`,
    more: ({ data }) => data.note,
  },
  "hours.earned": {
    icon: "tip",
    tone: "tip",
    say: ({ data }, me) => `${data.user === me ? "You" : data.user} earned ${hours(data.amount)}`,
    more: ({ data }) => data.reason,
  },
  "hours.spent": {
    icon: "tip",
    tone: "tip",
    say: ({ data }, me) => `${data.user === me ? "You" : data.user} spent ${hours(data.amount)}`,
    more: ({ data }) => data.reason,
  },
  "user.registered": { icon: "person", tone: "accent", say: ({ data }) => `${data.user} joined` },
  "user.followed": {
    icon: "person",
    tone: "accent",
    say: ({ actor, data }, me) => `${someone(actor)} follows ${data.target === me ? "you" : data.target}`,
  },
  "user.subscribed": {
    icon: "person",
    tone: "accent",
    say: ({ actor, data }, me) => `${someone(actor)} subscribed to ${data.target === me ? "you" : data.target}`,
  },
  "zone.joined": { icon: "person", tone: "plain", say: ({ data }) => `${data.user} joined the zone ${data.zone}` },
  "zone.left": { icon: "person", tone: "plain", say: ({ data }) => `${data.user} left the zone ${data.zone}` },
  "live.started": {
    icon: "live",
    tone: "live",
    say: ({ data }) => `${data.host} is live`,
    more: ({ data }) => data.title,
  },
  "live.ended": {
    icon: "live",
    tone: "plain",
    say: ({ data }) => `${data.host} ended the stream`,
    more: ({ data }) => data.title,
  },
  "live.viewer_joined": {
    icon: "live",
    tone: "plain",
    say: ({ data }, _, title) => `${data.viewer} watches ${named(title, data.stream_id)}`,
  },
  "storefront.purchased": {
    icon: "bag",
    tone: "good",
    say: ({ data }) =>
      `${data.buyer} bought ${data.item ?? "something"} for ${money(data.amount_cents, data.currency)}`,
  },
  "storefront.membership_new": {
    icon: "bag",
    tone: "good",
    say: ({ data }) => `${data.member} became a ${data.tier} member`,
    more: ({ data }) => money(data.amount_cents, data.currency),
  },
  "governance.proposal_created": { icon: "vote", tone: "vote", say: ({ data }) => data.title },
  "governance.vote_cast": {
    icon: "vote",
    tone: "vote",
    say: ({ actor, data }, _, title) =>
      `${someone(actor)} voted ${data.choice} on ${named(title, data.proposal_id)}`,
  },
  "system.announced": {
    icon: "announce",
    tone: "accent",
    say: ({ data }) => data.title,
    more: ({ data }) => data.text,
  },
  "milestone.reached": {
    icon: "trophy",
    tone: "tip",
    say: ({ data }, me) =>
      `${data.user === me ? "You" : data.user} reached ${data.value.toLocaleString("en")} ${data.kind}`,
  },
};

export const KNOWN_TYPES = [
  ...Object.keys(TYPES),
  "content.saved",
  "content.viewed",
  "user.unfollowed",
  "user.unsubscribed",
].sort();

function generic({ type, subject, actor }) {
  return [actor, type.replaceAll(/[._]/g, " "), subject && `(${subject})`].filter(Boolean).join(" ");
}

// Never throws: an old or foreign event may lack what its line wants to say.
// The title is of what the event is about, where it is known.
export function describe(event, me, title) {
  const { icon = "dot", tone = "plain", say = generic, more } = TYPES[event.type] ?? {};
  try {
    return { icon, tone, text: say(event, me, title), more: more?.(event) ?? "" };
  } catch {
    return { icon, tone, text: generic(event), more: "" };
  }
}
