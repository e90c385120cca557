// Owns how a person proves an address: bringing the code, waiting for the link, asking for a new one.
import { useEffect, useRef, useState } from "preact/hooks";
import { request } from "../api.js";
import { PATH, asClock, useSecondsUntil } from "../endpoints.js";
import { dayClock } from "../format.js";
import { Field } from "./bits.js";
import { html } from "./html.js";
import { notify } from "./toasts.js";

const WORDS = {
  sms: { one: "code", first: "Send a code", again: "Send a new code", on: "A new code is on its way." },
  email: { one: "link", first: "Send a link", again: "Send a new link", on: "A new link is on its way." },
};

function Again({ endpoint, skew, changed, main }) {
  const { id, channel, verification } = endpoint;
  const [busy, setBusy] = useState(false);
  const wait = useSecondsUntil(verification?.again_at, skew);
  const words = WORDS[channel];
  const ask = async () => {
    setBusy(true);
    try {
      await request("POST", `${PATH}/${id}/code`);
      notify({ text: words.on, good: true });
    } catch (problem) {
      notify({ problem, title: "Not sent" });
    } finally {
      setBusy(false);
      changed();
    }
  };
  const label = verification?.asked_at ? words.again : words.first;
  return html`<button type="button" class="button ${main ? "button-main" : ""}" disabled=${busy || wait > 0}
    onClick=${ask}>${busy ? "Sending…" : label}${wait > 0 && html` <span class="numbers">in ${asClock(wait)}</span>`}
  </button>`;
}

function Trouble({ channel }) {
  return html`<details class="verify-help"><summary>Nothing came?</summary>
    <p class="muted small">Check the address${channel === "email" ? ", and the folder for spam" : ""}. Only a few
      messages an hour are sent to one address, whoever asks for them.
      ${channel === "sms" && " A number that once answered STOP has to answer START first."}</p></details>`;
}

function useCode({ id, address }, changed) {
  const [code, setCode] = useState("");
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const field = useRef(null);
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await request("POST", `${PATH}/${id}/verify`, { body: { code } });
      notify({ text: `${address} is verified.`, good: true });
      changed(true);
    } catch (problem) {
      const [wrong] = problem.errors ?? [];
      setError(wrong ? `This code ${wrong.message}.` : problem.message);
      setBusy(false);
      setCode("");
      changed();
      field.current?.focus();
    }
  };
  return { code, setCode, error, busy, submit, field };
}

function CodeForm({ endpoint, skew, fresh, changed }) {
  const { address, verification } = endpoint;
  const { code, setCode, error, busy, submit, field } = useCode(endpoint, changed);
  const left = useSecondsUntil(verification.expires_at, skew);
  useEffect(() => {
    if (fresh) field.current?.focus();
  }, []);
  if (!left || verification.tries_left <= 0) {
    const why = left ? "There were too many wrong tries." : "The code is too old.";
    return html`<p role="status">${why} Ask for a new one.</p>`;
  }
  return html`<form class="verify-form" onSubmit=${submit} aria-label="Verify ${address}" noValidate>
    <${Field} label="Code from the SMS" error=${error}
      hint="Six digits; they count until ${dayClock(verification.expires_at)}.">
      ${(given) => html`<input ...${given} ref=${field} class="input numbers verify-code" name="code" inputmode="numeric"
        autocomplete="one-time-code" maxlength="11" spellcheck=${false} value=${code}
        onInput=${({ target }) => setCode(target.value)} />`}<//>
    <button class="button button-main" disabled=${busy || !code.trim()}>${busy ? "Verifying…" : "Verify"}</button>
  </form>`;
}

function Link({ endpoint, skew }) {
  const left = useSecondsUntil(endpoint.verification.expires_at, skew);
  if (!left) return html`<p role="status">The link is too old. Ask for a new one.</p>`;
  return html`<p>Open the link in the mail until ${dayClock(endpoint.verification.expires_at)}, and confirm on the
    page it leads to. This page notices.</p>`;
}

// Without one there is nothing to bring; who has asked too often is told from when on they may again.
function NoneSent({ endpoint, skew }) {
  const { channel, verification } = endpoint;
  const left = useSecondsUntil(verification?.again_at, skew);
  if (!left) return html`<p role="status">Nothing was sent there yet.</p>`;
  return html`<p role="status">No ${WORDS[channel].one} was sent there: you have asked for as many as you may for now. You
    can ask for one from ${dayClock(verification.again_at)} on.</p>`;
}

// `fresh`: the address was added a moment ago, and its code is what comes next.
export function VerifyBox({ endpoint, skew, fresh, changed, offered }) {
  const { channel, verification } = endpoint;
  const over = !verification?.asked_at || verification.tries_left <= 0;
  const parts = { endpoint, skew, fresh, changed };
  if (!offered) return html`<p class="muted small">It cannot be verified: this hub sends nothing there yet.</p>`;
  return html`<div class="verify-box">
    ${!verification?.asked_at ? html`<${NoneSent} ...${parts} />`
      : channel === "sms" ? html`<${CodeForm} key=${verification.asked_at} ...${parts} />`
      : html`<${Link} ...${parts} />`}
    <div class="verify-end"><${Again} ...${parts} main=${over} /><${Trouble} channel=${channel} /></div>
  </div>`;
}
