// Owns the live connection: opening it, saying how it is, and coming back for ever unless told to stay away.
import { computed, signal } from "@preact/signals";
import { Manager } from "socket.io-client";
import { canPublish, end, expire, session } from "./session.js";

export const NAMESPACES = ["/feed", "/notifications"];
const FIRST_DELAY = 500;
const LONGEST_DELAY = 30_000;
const STEADY = 5_000;
const ANSWER_WITHIN = 10_000;
const IN_OUR_WORDS = { "this user is suspended": "this account is suspended" };

// Each namespace: connecting · live · waiting · refused, with the reason where there is one.
export const namespaces = signal({});
export const retryAt = signal(null);
export const stopped = signal(""); // the sentence that says why, for good
export const mayPublish = computed(() => canPublish.value && !stopped.value);
const online = signal(navigator.onLine);
const wasLive = signal(false);

export const status = computed(() => {
  if (stopped.value) return "stopped";
  const states = Object.values(namespaces.value);
  if (states.length && states.every(({ state }) => state === "live")) return "live";
  // Asked only now: a hub on this machine answers even where the browser believes to be offline.
  if (!online.value) return "offline";
  return wasLive.value || retryAt.value ? "reconnecting" : "connecting";
});

const sockets = new Map();
let manager, handlers, timer, attempts, liveSince;

export function connect(given) {
  handlers = given;
  attempts = 0;
  wasLive.value = false;
  // The library's own reconnection neither tells when it will try nor survives a server's DISCONNECT.
  manager = new Manager(location.origin, { path: "/socket.io", reconnection: false, autoConnect: false });
  for (const name of NAMESPACES) sockets.set(name, attach(name));
  retryNow();
}

export function disconnect() {
  clearTimeout(timer);
  timer = undefined;
  for (const socket of sockets.values()) socket.offAny().off().disconnect();
  sockets.clear();
  namespaces.value = {};
  retryAt.value = null;
  stopped.value = "";
}

export function retryNow() {
  clearTimeout(timer);
  timer = undefined;
  retryAt.value = null;
  for (const [name, socket] of sockets) {
    if (["connecting", "live"].includes(namespaces.value[name]?.state)) continue;
    tell(name, "connecting");
    socket.connect();
  }
}

export async function ask(namespace, event, body) {
  const socket = sockets.get(namespace);
  if (!socket?.connected) throw new Error("not connected");
  return socket.timeout(ANSWER_WITHIN).emitWithAck(event, body);
}

function attach(name) {
  const auth = (answer) => answer({ token: session.value?.token, recovery: true });
  const socket = manager.socket(name, { auth });
  socket.on("connect", () => arrived(name, socket.recovered));
  socket.on("disconnect", (reason) => lost(name, reason));
  socket.on("connect_error", (error) => refused(name, error));
  socket.on("session_expired", () => expire());
  socket.onAny((event, payload, offset) => handlers.event(name, event, payload, offset));
  return socket;
}

function tell(name, state, detail = "") {
  namespaces.value = { ...namespaces.value, [name]: { state, detail } };
}

function arrived(name, recovered) {
  tell(name, "live");
  if (status.value === "live") {
    liveSince = Date.now();
    wasLive.value = true;
  }
  handlers.connected(name, recovered);
}

function lost(name, reason) {
  handlers.lost(name);
  tell(name, "waiting", reason);
  comeBack();
}

function refused(name, error) {
  const code = error.data?.code;
  tell(name, code ? "refused" : "waiting", error.message);
  if (code === "unauthorized")
    return void end(`The hub did not accept your session (${error.message}). Sign in again.`);
  if (code === "forbidden") return stop(error.message);
  comeBack();
}

function stop(reason) {
  disconnect();
  stopped.value = `Live events are switched off: ${IN_OUR_WORDS[reason] ?? reason}.`;
}

function comeBack() {
  if (timer !== undefined || !sockets.size) return;
  // A connection that breaks right after it was made is not yet a success: keep slowing down.
  if (liveSince && Date.now() - liveSince > STEADY) attempts = 0;
  liveSince = undefined;
  const longest = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** attempts++);
  // Spread out, or all browsers come back in the same moment after a restart.
  const delay = longest * (0.6 + 0.4 * Math.random());
  retryAt.value = Date.now() + delay;
  timer = setTimeout(retryNow, delay);
}

for (const event of ["online", "offline"]) {
  window.addEventListener(event, () => {
    online.value = navigator.onLine;
    if (online.value && timer !== undefined) retryNow();
  });
}
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && timer !== undefined) retryNow();
});
