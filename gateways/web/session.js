// Owns who is signed in: the token, what it says, and the end of its time.
import { computed, signal } from "@preact/signals";
import { forget, load, save, tab } from "./storage.js";

const KEY = "hub.session";
const EVERYTHING = "hub.";
const LONGEST_TIMER = 2 ** 31 - 1;
const EXPIRED = "Your session has expired. Sign in again to carry on where you were.";

export const session = signal(null);
export const endedBecause = signal("");
export const offered = signal(null); // a token that came with a link, until the person here has decided
export const canPublish = computed(() => hasScope("publish") || hasScope("admin"));
export const isAdmin = computed(() => hasScope("admin"));
let timer;

function hasScope(scope) {
  return session.value?.scopes.includes(scope) ?? false;
}

export function start() {
  const kept = load(tab, KEY, null);
  if (kept) begin(kept);
  take();
  // A link into a page that is open already loads nothing anew.
  window.addEventListener("hashchange", take);
}

function take() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token === null) return;
  // Out of the address bar first: a token must not end up in the history or in a copied link.
  history.replaceState(null, "", location.pathname + location.search);
  const claims = read(token);
  if (!claims?.sub || !(claims.exp * 1000 > Date.now())) {
    if (!session.value) begin(token); // which says what is wrong
    return;
  }
  // Anybody can send a link: it may neither end a session nor quietly make one act as somebody else.
  if (claims.sub === session.value?.user) renew(token);
  else offered.value = { token, user: claims.sub };
}

// A token that only says it is of the same person would end the session: the hub is asked first.
async function renew(token) {
  const { user } = session.value;
  const answer = await fetch("/v1/me", { headers: { Authorization: `Bearer ${token}` } }).catch(() => null);
  if (answer?.ok && session.value?.user === user) begin(token);
}

export function begin(token) {
  const claims = read(token);
  if (!claims?.sub) return end("The token that was handed over could not be read.");
  const remaining = claims.exp * 1000 - Date.now();
  if (!(remaining > 0)) return end(EXPIRED);
  if (session.value && session.value.user !== claims.sub) forget(tab, EVERYTHING);
  clearTimeout(timer);
  timer = setTimeout(() => remaining <= LONGEST_TIMER && end(EXPIRED), Math.min(remaining, LONGEST_TIMER));
  save(tab, KEY, token);
  endedBecause.value = "";
  offered.value = null;
  session.value = {
    token,
    user: claims.sub,
    name: claims.name ?? claims.sub,
    scopes: String(claims.scope ?? "")
      .split(" ")
      .filter(Boolean),
  };
  return true;
}

export function end(reason = "") {
  clearTimeout(timer);
  // What a person was shown is nobody's business who uses this browser next.
  forget(tab, EVERYTHING);
  endedBecause.value = reason;
  offered.value = null;
  session.value = null;
  return false;
}

export const expire = () => session.value && end(EXPIRED);

// Only to show it: whether the token is genuine is the server's business.
function read(token) {
  try {
    const body = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(body), (character) => character.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return null;
  }
}
