// Owns what is known about one post, proposal or stream from its live events; pure.

const COMMENTS_KEPT = 50;

export const NOTHING = Object.freeze({
  likedBy: Object.freeze([]),
  anonymousLikes: 0,
  comments: Object.freeze([]),
  commentCount: 0,
  tips: 0,
  tipped: 0,
  shares: 0,
  deleted: false,
  endedAt: null,
  votes: Object.freeze({}),
});

const APPLY = {
  "content.liked": (known, { actor }) => {
    if (!actor) return { ...known, anonymousLikes: known.anonymousLikes + 1 };
    return known.likedBy.includes(actor) ? known : { ...known, likedBy: [...known.likedBy, actor] };
  },
  "content.unliked": (known, { actor }) => {
    if (!actor) return { ...known, anonymousLikes: Math.max(0, known.anonymousLikes - 1) };
    return { ...known, likedBy: known.likedBy.filter((user) => user !== actor) };
  },
  "content.commented": (known, { id, actor, time, data }) => ({
    ...known,
    commentCount: known.commentCount + 1,
    comments: [...known.comments, { id, actor, time, text: data.text }].slice(-COMMENTS_KEPT),
  }),
  "content.shared": (known) => ({ ...known, shares: known.shares + 1 }),
  "content.deleted": (known) => ({ ...known, deleted: true }),
  "hours.tipped": (known, { data }) => ({ ...known, tips: known.tips + 1, tipped: known.tipped + data.amount }),
  "live.ended": (known, { time }) => ({ ...known, endedAt: time }),
  "governance.vote_cast": (known, { data }) => ({
    ...known,
    votes: { ...known.votes, [data.choice]: (known.votes[data.choice] ?? 0) + 1 },
  }),
};

export const isReaction = (type) => Object.hasOwn(APPLY, type);
export const apply = (known, event) => APPLY[event.type](known, event);
export const likes = (known) => known.likedBy.length + known.anonymousLikes;

// What an event is about: reactions and the card they belong to meet under this name.
export function target({ type, data }) {
  if (type.startsWith("governance.")) return data.proposal_id && `proposal:${data.proposal_id}`;
  if (type.startsWith("live.")) return data.stream_id && `live:${data.stream_id}`;
  return data.content_id && `content:${data.content_id}`;
}
