// Owns who is signed in: the token, what it says, and the end of its time.
import { computed, signal } from "@preact/signals";
import { load, save, tab } from "./storage.js";

const KEY = "hub.session";
const LONGEST_TIMER = 2 ** 31 - 1;
const EXPIRED = "Your session has expired. Sign in again to carry on where you were.";

export const session = signal(null);
export const endedBecause = signal("");
export const canPublish = computed(() => hasScope("publish") || hasScope("admin"));
export const isAdmin = computed(() => hasScope("admin"));
let timer;

function hasScope(scope) {
  return session.value?.scopes.includes(scope) ?? false;
}

export function start() {
  const handed = new URLSearchParams(location.hash.slice(1)).get("token");
  // Out of the address bar first: a token must not end up in the history or in a copied link.
  if (handed !== null) history.replaceState(null, "", location.pathname + location.search);
  const token = handed ?? load(tab, KEY, null);
  if (token) begin(token);
}

export function begin(token) {
  const claims = read(token);
  if (!claims?.sub) return end("The token that was handed over could not be read.");
  const remaining = claims.exp * 1000 - Date.now();
  if (!(remaining > 0)) return end(EXPIRED);
  clearTimeout(timer);
  timer = setTimeout(() => remaining <= LONGEST_TIMER && end(EXPIRED), Math.min(remaining, LONGEST_TIMER));
  save(tab, KEY, token);
  endedBecause.value = "";
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
  save(tab, KEY, undefined);
  endedBecause.value = reason;
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
