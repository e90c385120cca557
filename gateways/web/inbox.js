// Owns this person's notifications as the browser knows them: fetched once, then as they are told; without drift.
import { batch, signal } from "@preact/signals";
import { get, request, withQuery } from "./api.js";
import { NOWHERE, VIEWS, put, readAll, turn } from "./notices.js";
import { status } from "./socket.js";
import { notify } from "./ui/toasts.js";

const PATH = "/v1/me/notifications";
const PAGE = 30;
const LARGEST = 200;
const SETTLES = 10_000;
const GATHER = 300;
const ASK_AGAIN = 5_000;

export const unread = signal(null); // null until the hub has said it
export const views = Object.fromEntries(VIEWS.map((view) => [view, signal(NOWHERE)]));
let asked = 0; // grows for ever: an answer to an old question, or to another person's, is known by it
let underway = {};
let versions = new Map();
let counting, countTimer, countedAt;

export function reset() {
  clearTimeout(countTimer);
  [underway, versions, counting, countedAt] = [{}, new Map(), undefined, undefined];
  asked += 1;
  batch(() => {
    unread.value = null;
    for (const view of VIEWS) views[view].value = NOWHERE;
  });
}

// A recovered connection is told all it missed; a fresh one of nothing. What could not be had is asked for again.
export function connected(recovered) {
  if (!recovered || unread.peek() === null) askCount();
  for (const view of VIEWS) {
    const { loaded, problem } = views[view].peek();
    if (problem || (!recovered && (loaded || underway[view]))) reload(view);
  }
}

// Answers whether it was for the inbox.
export function receive(name, payload) {
  if (name === "notifications.counts") counted(payload.unread);
  else if (name === "notifications.read_all") apply(readAll);
  else if (name === "notification.created" || name === "notification.updated") told(name, payload.data);
  else return false;
  return true;
}

function told(name, notification) {
  versions.set(notification.id, (versions.get(notification.id) ?? 0) + 1);
  apply((known, view) => put(known, view, notification));
  if (name === "notification.created" && notification.priority !== "silent") oneMore();
}

function apply(change) {
  batch(() => {
    for (const view of VIEWS) {
      underway[view]?.told.push(change);
      views[view].value = change(views[view].peek(), view);
    }
  });
}

// What was counted a moment ago may hold this one already: then only the hub knows.
function oneMore() {
  if (unread.peek() !== null) unread.value += 1;
  if (counting !== undefined || Date.now() - countedAt < SETTLES) later(GATHER);
}

function counted(number) {
  unread.value = number;
  if (counting !== undefined) later(GATHER);
}

function later(milliseconds) {
  clearTimeout(countTimer);
  countTimer = setTimeout(askCount, milliseconds);
}

async function askCount() {
  clearTimeout(countTimer);
  const mine = (counting = ++asked);
  try {
    const { unread: number } = await get(`${PATH}/counts`);
    if (mine !== counting) return;
    [unread.value, countedAt, counting] = [number, Date.now(), undefined];
  } catch (problem) {
    if (mine !== counting) return;
    counting = undefined;
    if (!problem.final && problem.status !== 401) later(ASK_AGAIN);
  }
}

export const open = (view) => views[view].peek().loaded || underway[view] || reload(view);
export const older = (view) => load(view, { cursor: views[view].peek().next, limit: PAGE });
export const reload = (view) =>
  load(view, { limit: Math.min(LARGEST, Math.max(PAGE, views[view].peek().items.length)) });

async function load(view, query) {
  const mine = (underway[view] = { number: ++asked, told: [] });
  views[view].value = { ...views[view].peek(), loading: true, problem: null };
  const found = await get(withQuery(PATH, { state: view, ...query })).then(
    (page) => ({ page }),
    (problem) => ({ problem }),
  );
  if (underway[view] !== mine) return;
  delete underway[view];
  const known = views[view].peek();
  views[view].value = found.page
    ? turn(known, view, found.page, mine.told, { further: query.cursor !== undefined })
    : { ...known, loading: false, problem: found.problem };
}

// What the hub answers counts until the live connection says something later.
export async function change(id, verb) {
  const version = versions.get(id);
  try {
    const now = await request("POST", `${PATH}/${id}/${verb}`);
    if (versions.get(id) === version) apply((known, view) => put(known, view, now));
    if (status.peek() !== "live") askCount();
    return true;
  } catch (problem) {
    notify({ problem, title: "Not changed" });
    return false;
  }
}

export async function readEverything() {
  try {
    const { unread: number } = await request("POST", `${PATH}/read-all`);
    if (status.peek() === "live") return true;
    unread.value = number;
    for (const view of VIEWS) if (views[view].peek().loaded) reload(view);
    return true;
  } catch (problem) {
    notify({ problem, title: "Not changed" });
    return false;
  }
}
