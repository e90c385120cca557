// Owns quiet hours in the browser: until when it is quiet, in any zone, right across changes of its clock; pure.
// The hub decides by the same rules (routing/quiet_hours.py); here they only say what will happen.

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const LONGEST = 8 * DAY;
export const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const clocks = new Map();

function clock(zone) {
  if (!clocks.has(zone)) {
    const fields = { year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric" };
    const options = { timeZone: zone, hourCycle: "h23", era: "short", second: "numeric", ...fields };
    clocks.set(zone, new Intl.DateTimeFormat("en-u-ca-iso8601", options));
  }
  return clocks.get(zone);
}

export function isZone(zone) {
  try {
    return Boolean(clock(zone));
  } catch {
    return false;
  }
}

// What the clock of a zone shows at a moment, as if it were UTC: such times can be compared and reckoned with.
export function wall(moment, zone) {
  const shown = Object.fromEntries(clock(zone).formatToParts(moment).map(({ type, value }) => [type, Number(value)]));
  const { year, month, day, hour, minute, second } = shown;
  return Date.UTC(year, month - 1, day, hour, minute, second) + (((moment % 1000) + 1000) % 1000);
}

const offset = (moment, zone) => wall(moment, zone) - moment;

// The moments at which the clock shows this, the earliest first; none in a gap.
function moments(shown, zone) {
  const offsets = new Set([offset(shown - DAY, zone), offset(shown + DAY, zone)]);
  const found = [...offsets].map((by) => shown - by).filter((moment) => wall(moment, zone) === shown);
  return found.sort((one, other) => one - other);
}

// When the clock was put forward past this.
function skip(shown, zone) {
  let [before, after] = [shown - DAY, shown + DAY];
  const late = offset(after, zone);
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (offset(middle, zone) === late) after = middle;
    else before = middle;
  }
  return after;
}

// When the clock first shows this or later.
const first = (shown, zone) => moments(shown, zone)[0] ?? skip(shown, zone);

// From when on the clock shows nothing earlier any more.
function last(shown, zone) {
  const found = moments(shown, zone);
  if (!found.length) return skip(shown, zone);
  const latest = found.at(-1);
  return wall(latest - 1, zone) < shown ? latest : found[0];
}

function minutes(text) {
  const found = /^([01]\d|2[0-3]):([0-5]\d)$/.exec(text);
  return found ? Number(found[1]) * 60 + Number(found[2]) : null;
}

const weekday = (day) => DAYS[(new Date(day).getUTCDay() + 6) % 7];

function end(windows, zone, moment) {
  const today = Math.floor(wall(moment, zone) / DAY) * DAY;
  const ends = [];
  // Tomorrow too: a clock put back across midnight shows the day before once more.
  for (const day of [today - DAY, today, today + DAY]) {
    for (const window of windows) {
      const [from, to] = [minutes(window.from), minutes(window.to)];
      if (from === null || to === null || !window.days.includes(weekday(day))) continue;
      const closes = last(day + to * MINUTE + (to > from ? 0 : DAY), zone);
      if (first(day + from * MINUTE, zone) <= moment && moment < closes) ends.push(closes);
    }
  }
  return ends.length ? Math.max(...ends) : null;
}

// The end of the quiet there is at a moment, through all windows that follow without a break; null: none.
export function heldUntil({ enabled, windows }, zone, moment) {
  if (!enabled || !windows.length) return null;
  let until = moment;
  for (let next; until < moment + LONGEST && (next = end(windows, zone, until)) !== null; ) until = next;
  return until === moment ? null : Math.min(until, moment + LONGEST);
}

export function clockOf(moment, zone) {
  return new Date(wall(moment, zone)).toISOString().slice(11, 16);
}

export const placeOf = (zone) => zone.slice(zone.lastIndexOf("/") + 1).replaceAll("_", " ");

// Browsers differ in the comma.
const DATE = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short", timeZone: "UTC" });

// "now 23:10 in Berlin: push and SMS wait until 07:00", in parts; where it is `always` quiet, no end need be said.
export function told(quiet, zone, moment) {
  const [now, place] = [clockOf(moment, zone), placeOf(zone)];
  const until = heldUntil(quiet, zone, moment);
  if (until === null) return { now, place, until: null };
  const day = until - moment >= DAY ? DATE.format(wall(until, zone)).replace(",", "") : null;
  return { now, place, until: clockOf(until, zone), day, always: until - moment >= LONGEST };
}
