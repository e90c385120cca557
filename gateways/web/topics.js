// Owns the words and signs of topics, channels, priorities and reasons.

export const CHANNELS = { in_app: "In-app", push: "Push", sms: "SMS", email: "E-mail", telegram: "Telegram" };
// In a sentence: "push waits until 07:00".
export const IN_A_SENTENCE = { push: "push", sms: "SMS", email: "e-mail", telegram: "Telegram" };

export const TOPICS = {
  tips: { name: "Tips", icon: "tip", tone: "tip", urgent: true },
  sales: { name: "Sales", icon: "bag", tone: "good", urgent: true },
  memberships: { name: "Memberships", icon: "bag", tone: "good", urgent: true },
  live: { name: "Live streams", icon: "live", tone: "live", urgent: true },
  likes: { name: "Likes", icon: "like", tone: "like" },
  comments: { name: "Comments", icon: "comment", tone: "accent" },
  shares: { name: "Shares", icon: "share", tone: "accent" },
  follows: { name: "Follows", icon: "person", tone: "accent" },
  subscribers: { name: "Subscribers", icon: "person", tone: "accent" },
  mentions: { name: "Mentions", icon: "comment", tone: "accent" },
  messages: { name: "Messages", icon: "comment", tone: "accent" },
  governance: { name: "Proposals", icon: "vote", tone: "vote" },
  milestones: { name: "Milestones", icon: "trophy", tone: "tip", gathered: true },
  announcements: { name: "Announcements", icon: "announce", tone: "accent", gathered: true },
};

// What is sent beside notifications.
const OTHERS = { digest: "Digest", verification: "Confirmation" };
export const topic = (name) => TOPICS[name] ?? { name: OTHERS[name] ?? name, icon: "dot", tone: "plain" };
export const channel = (name) => CHANNELS[name] ?? name;

const REASONS = {
  own_action: "own action",
  blocked: "from somebody who is blocked",
  channel_off: "this channel is off, by choice or by default",
  topic_off: "this topic is off here, by choice or by default",
  unsubscribed: "unsubscribed",
  muted: "muted",
  below_priority: "not urgent enough for this channel",
  no_endpoint: "no address to send to",
  expired: "too late to be of use",
  read_already: "already read",
  digest: "goes into the digest",
  digest_off: "no digest is wanted here any more",
  quiet_hours: "quiet hours",
  email_spacing: "one e-mail an hour",
  rate_limited: "too much at once",
  preferences: "as preferred",
};

// What a provider gives as a reason stays in its own words.
export const reason = (word) => REASONS[word] ?? word ?? "";

const GATHERED = ["digest", "email_spacing"];
// What went into a digest is dropped on its own way, but not lost.
export const became = (status, why) => (status === "dropped" && GATHERED.includes(why) ? "gathered" : status);
// Of a way that was taken: the digest has left.
export const reasonThen = (word) => (word === "digest" ? "with the digest" : reason(word));
