// Owns how a list of notifications takes in what it is told: which there are, and in which place; pure.

export const NOWHERE = { items: [], next: null, edge: null, loaded: false, loading: false, problem: null };

const BELONGS = {
  inbox: (state) => state !== "archived",
  unread: (state) => state === "unread",
  archived: (state) => state === "archived",
};
export const VIEWS = Object.keys(BELONGS);

// Times of the hub differ in how many digits they have: 06:00:00Z is earlier than 06:00:00.5Z.
const moment = (time) => time.replace(/(?:\.(\d+))?Z$/, (_, digits = "") => `.${digits.padEnd(9, "0")}`);
const place = ({ updated_at: at, id }) => `${moment(at)} ${id}`;
const isNewer = (one, other) => place(one) > place(other);

// Behind the edge lies what no page has brought yet: whatever is told of that comes with its page.
const isBeyond = ({ next, edge }, told) => next !== null && edge !== null && isNewer(edge, told);

export function put(known, view, told) {
  const items = known.items.filter(({ id }) => id !== told.id);
  if (!BELONGS[view](told.state) || isBeyond(known, told)) return { ...known, items };
  const at = items.findIndex((other) => isNewer(told, other));
  items.splice(at === -1 ? items.length : at, 0, told);
  return { ...known, items };
}

export function readAll(known, view) {
  const items = known.items.map((one) => (one.state === "unread" ? { ...one, state: "read" } : one));
  return { ...known, items: items.filter(({ state }) => BELONGS[view](state)) };
}

// `told` came while the page was on its way: the page may be older than it.
export function turn(known, view, page, told, { further = false } = {}) {
  const mine = further ? known.items : [];
  const ids = new Set(mine.map(({ id }) => id));
  const items = [...mine, ...page.items.filter(({ id }) => !ids.has(id))];
  const edge = page.items.at(-1) ?? (further ? known.edge : null);
  const turned = { ...NOWHERE, items, next: page.next, edge, loaded: true };
  return told.reduce((now, apply) => apply(now, view), turned);
}
