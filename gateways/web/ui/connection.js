// Owns how the live connection is shown: one word at the top, and the state of each namespace on request.
import { useEffect, useState } from "preact/hooks";
import { NAMESPACES, namespaces, retryAt, retryNow, status, stopped } from "../socket.js";
import { useDisclosure } from "./bits.js";
import { html } from "./html.js";

const WORDS = {
  connecting: "Connecting",
  live: "Live",
  reconnecting: "Reconnecting",
  offline: "Offline",
  stopped: "Stopped",
};
const SENTENCES = {
  connecting: "Connecting to live events.",
  live: "Live: events appear as they happen.",
  reconnecting: "The live connection is lost. Reconnecting.",
  offline: "This device is offline. It reconnects by itself.",
  stopped: "The live connection is stopped.",
};
const STATES = { live: "live", connecting: "connecting", waiting: "not connected", refused: "refused" };

function useCountdown() {
  const at = retryAt.value;
  const [, tick] = useState(0);
  useEffect(() => {
    if (!at) return undefined;
    const timer = setInterval(() => tick((ticks) => ticks + 1), 250);
    return () => clearInterval(timer);
  }, [at]);
  return at ? Math.max(0, Math.ceil((at - Date.now()) / 1000)) : null;
}

function Details({ seconds, close }) {
  const retry = () => {
    retryNow();
    close();
  };
  const waiting = status.value !== "live" && status.value !== "stopped";
  return html`<div class="panel connection-panel" id="connection-details">
    <p>${stopped.value || SENTENCES[status.value]}</p>
    <ul>${NAMESPACES.map((name) => {
      const { state = "waiting", detail = "" } = namespaces.value[name] ?? {};
      return html`<li key=${name}><span class="dot dot-${state}"></span><code>${name}</code>
        <span class="muted grow">${STATES[state]}${detail && state !== "live" ? ` (${detail})` : ""}</span></li>`;
    })}</ul>
    ${waiting && html`<button type="button" class="button button-small" onClick=${retry}>
      Reconnect now${seconds ? html` <span class="muted numbers">(${seconds} s)</span>` : ""}</button>`}
  </div>`;
}

export function Connection() {
  const { open, root, toggle, close } = useDisclosure();
  const seconds = useCountdown();
  const state = status.value;
  const counting = seconds !== null && state !== "live";
  const named = NAMESPACES.map((name) => `${name}: ${STATES[namespaces.value[name]?.state ?? "waiting"]}`).join(", ");
  return html`<div class="connection" ref=${root} data-state=${state}>
    <button type="button" class="connection-button" aria-expanded=${open} aria-controls="connection-details"
      title=${named} onClick=${toggle}>
      <span class="dot dot-${state}"></span>
      <span class="connection-word">${WORDS[state]}${counting && html`
        <span class="numbers"> in ${seconds} s</span>`}</span>
    </button>
    ${open && html`<${Details} seconds=${seconds} close=${close} />`}
    <p class="visually-hidden" role="status">${SENTENCES[state]}</p>
  </div>`;
}
