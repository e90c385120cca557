// Owns which zones this person follows here and which of them the feed is narrowed to.
import { computed, signal } from "@preact/signals";
import { device, load, save } from "./storage.js";

const MOST = 50;
const NAME = /^[^\p{Cc}]{1,200}$/u;

export const followed = signal([]);
export const selected = signal([]);
let key;

export function start(user) {
  key = `hub.zones.${user}`;
  const kept = load(device, key, {});
  followed.value = Array.isArray(kept.followed) ? kept.followed : [];
  selected.value = (Array.isArray(kept.selected) ? kept.selected : []).filter((zone) =>
    followed.value.includes(zone),
  );
}

// Answers what is wrong, or nothing.
export function follow(text) {
  const zone = text.trim();
  if (!NAME.test(zone)) return "A zone's name has 1 to 200 characters.";
  if (followed.value.length >= MOST) return `You can follow ${MOST} zones here. Remove one first.`;
  if (!followed.value.includes(zone)) followed.value = [...followed.value, zone];
  if (!selected.value.includes(zone)) selected.value = [...selected.value, zone];
  keep();
  return "";
}

export function unfollow(zone) {
  followed.value = followed.value.filter((other) => other !== zone);
  selected.value = selected.value.filter((other) => other !== zone);
  keep();
}

export function toggle(zone) {
  selected.value = selected.value.includes(zone)
    ? selected.value.filter((other) => other !== zone)
    : [...selected.value, zone];
  keep();
}

export function selectAll() {
  selected.value = [];
  keep();
}

function keep() {
  save(device, key, { followed: followed.value, selected: selected.value });
}

// What is meant for the reader, or for everyone, is never filtered away.
export const passes = computed(() => {
  const zones = new Set(selected.value);
  return ({ event, personal, gap }) => !zones.size || personal || gap || zones.has(event.data.zone);
});
