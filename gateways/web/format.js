// Owns how times, amounts and names are written for people.
import { signal } from "@preact/signals";

export const now = signal(Date.now());
setInterval(() => {
  now.value = Date.now();
}, 10_000);

// With its zone: it is what one looks at to be sure.
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const CLOCK = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});

const MINUTES = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

// The zone of all times written here: this device's, which need not be the one of somebody's quiet hours.
export const timeZone = (FULL.resolvedOptions().timeZone ?? "this device").replaceAll("_", " ");
export const fullTime = (time) => FULL.format(new Date(time));
export const dayMonth = (time) => DAY.format(new Date(time));

export function clockTime(time) {
  const date = new Date(time);
  return `${CLOCK.format(date)}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

// "07:00", with the day where it is not today.
export function dayClock(time) {
  const date = new Date(time);
  const today = date.toDateString() === new Date().toDateString();
  return today ? MINUTES.format(date) : `${DAY.format(date)}, ${MINUTES.format(date)}`;
}

export function ago(time, at = now.value) {
  const seconds = (at - new Date(time)) / 1000;
  if (seconds < -60) return `in ${span(-seconds)}`;
  if (seconds < 45) return "just now";
  if (seconds < 6 * 86_400) return `${span(seconds)} ago`;
  return dayMonth(time);
}

export function until(time, at = now.value) {
  const seconds = (new Date(time) - at) / 1000;
  if (seconds <= 0) return null;
  return seconds < 45 * 86_400 ? `in ${span(seconds)}` : `on ${DATE.format(new Date(time))}`;
}

function span(seconds) {
  if (seconds < 5400) return `${Math.max(1, Math.round(seconds / 60))} min`;
  if (seconds < 36 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

export function duration(milliseconds) {
  if (milliseconds < 1) return "< 1 ms";
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 60_000) return `${(milliseconds / 1000).toFixed(milliseconds < 10_000 ? 1 : 0)} s`;
  return span(milliseconds / 1000);
}

// Amounts are integers in hundredths, so that no sum is ever rounded.
export function hours(amount) {
  const sign = amount < 0 ? "−" : "";
  const whole = Math.floor(Math.abs(amount) / 100);
  return `${sign}${whole.toLocaleString("en")}.${String(Math.abs(amount) % 100).padStart(2, "0")} HRS`;
}

export function money(cents, currency) {
  try {
    return new Intl.NumberFormat(undefined, { style: "currency", currency }).format(cents / 100);
  } catch {
    return `${(cents / 100).toFixed(2)} ${currency}`;
  }
}

export function parseHours(text) {
  const found = /^\s*(\d{1,9})(?:[.,](\d{1,2}))?\s*$/.exec(text);
  return found ? Number(found[1]) * 100 + Number((found[2] ?? "").padEnd(2, "0")) : null;
}

export const count = (number, one, many = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
