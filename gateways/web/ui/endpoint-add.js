// Owns how an address is added: a form for what can be typed, and a link for Telegram.
import { useEffect, useState } from "preact/hooks";
import { get, request } from "../api.js";
import { PATH, asClock, useSecondsUntil } from "../endpoints.js";
import { development } from "../site.js";
import { CopyButton, Field } from "./bits.js";
import { Choice } from "./digest-editor.js";
import { html } from "./html.js";
import { notify } from "./toasts.js";
import { canWrite } from "./write-as.js";

const FIELDS = {
  email: { label: "E-mail address", type: "email", autocomplete: "email", placeholder: "ann@example.com" },
  sms: { label: "Phone number", type: "tel", autocomplete: "tel", placeholder: "+15555550100" },
  push: { label: "Token", type: "text", autocomplete: "off", placeholder: "" },
};
const KINDS = { token: "Token", fid: "Installation id", webpush: "Web push" };

const SENT = { email: "A link is on its way to", sms: "A code is on its way to" };

// People write numbers in groups; the hub takes E.164 alone.
const plain = (channel, address) => (channel === "sms" ? address.replace(/[\s().-]/g, "") : address.trim());

// A code from before may be too old already, while no new one may be asked for.
const isOpen = ({ verification: asked }, skew) =>
  Boolean(asked?.asked_at) && asked.tries_left > 0 && Date.parse(asked.expires_at) > Date.now() + skew;

export function Add({ channel, skew, added }) {
  const [draft, setDraft] = useState({ address: "", kind: "token", name: "" });
  const [errors, setErrors] = useState({});
  const [busy, setBusy] = useState(false);
  const put = (name) => (value) => setDraft({ ...draft, [name]: value });
  const { label, ...input } = FIELDS[channel];
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setErrors({});
    const device = channel === "push" ? { kind: draft.kind, name: draft.name.trim() || null } : {};
    try {
      const made = await request("POST", PATH, {
        body: { channel, address: plain(channel, draft.address), ...device },
      });
      setDraft({ ...draft, address: "", name: "" });
      if (isOpen(made, skew)) notify({ text: `${SENT[channel]} ${made.address}.`, good: true });
      added(made);
    } catch (problem) {
      setErrors(Object.fromEntries(problem.errors?.map(({ path, message }) => [path, message]) ?? []));
      if (!problem.errors?.length) notify({ problem, title: "Not added" });
    } finally {
      setBusy(false);
    }
  };
  return html`<form class="endpoint-add" onSubmit=${submit} aria-label="Add: ${label}" noValidate>
    ${channel === "push" && html`<${Choice} label="Kind" name="endpoint-kind" value=${draft.kind} options=${KINDS}
        change=${put("kind")} error=${errors.kind} />
      <${Field} label="Name of the device" error=${errors.name}>${(given) => html`<input ...${given} class="input"
        name="device-name" autocomplete="off" value=${draft.name}
        onInput=${({ target }) => put("name")(target.value)} />`}<//>`}
    <${Field} label=${label} error=${errors.address}>${(given) => html`<input ...${given} ...${input} class="input"
      name="endpoint-${channel}" autocapitalize="off" spellcheck=${false} value=${draft.address}
      onInput=${({ target }) => put("address")(target.value)} />`}<//>
    <button class="button" disabled=${busy || !draft.address.trim()}>${busy ? "Adding…" : "Add"}</button>
  </form>`;
}

// A simulated bot is not in Telegram: the link leads to nobody. `null` until that is known.
function useSimulated() {
  const [simulated, setSimulated] = useState(development ? null : false);
  useEffect(() => {
    if (!development) return;
    const told = ({ simulators }) => setSimulated(canWrite("telegram", simulators));
    get("/dev/outbox").then(told, () => setSimulated(false));
  }, []);
  return simulated;
}

function TelegramLink({ link, skew, simulated }) {
  const left = useSecondsUntil(link.expires_at, skew);
  if (!left) return html`<p role="status">The link is too old. Make a new one.</p>`;
  const words = `/start ${new URL(link.url).searchParams.get("start")}`;
  const time = html`<span class="numbers">${asClock(left)}</span>`;
  const copy = (className) => html`<${CopyButton} text=${words} label="Copy what to send to the bot"
    className=${className} />`;
  if (simulated) {
    return html`<div class="verify-box"><p>Telegram is simulated here: copy what to send, and paste it into${" "}
        <strong>Write as this person</strong> under Telegram in the${" "}<a href="/outbox">outbox</a>. It works once,
        for another ${time}. This page notices.</p>
      <div class="verify-end">${copy("button button-main")}</div></div>`;
  }
  return html`<div class="verify-box"><p>Open Telegram and press <strong>Start</strong>. The link works once, for
      another ${time}. This page notices.</p>
    <div class="verify-end"><a class="button button-main" href=${link.url} target="_blank"
        rel="noopener noreferrer">Open Telegram</a>
      ${copy()}</div></div>`;
}

// `chats`: how many there are; one more, and the link has done its work.
export function ConnectTelegram({ chats, skew, setAwaited }) {
  const simulated = useSimulated();
  const [link, setLink] = useState(null);
  const [busy, setBusy] = useState(false);
  const [before, setBefore] = useState(chats);
  useEffect(() => {
    if (link && chats > before) {
      setLink(null);
      notify({ text: "Telegram is connected.", good: true });
    }
    setBefore(chats);
  }, [chats]);
  useEffect(() => {
    setAwaited(Boolean(link));
    return () => setAwaited(false);
  }, [link]);
  const make = async () => {
    setBusy(true);
    try {
      setLink(await request("POST", `${PATH}/telegram-link`));
    } catch (problem) {
      notify({ problem, title: "No link to Telegram" });
    } finally {
      setBusy(false);
    }
  };
  return html`${link && simulated !== null && html`
      <${TelegramLink} key=${link.url} link=${link} skew=${skew} simulated=${simulated} />`}
    <p><button type="button" class="button" disabled=${busy} onClick=${make}>
      ${link ? "Make a new link" : "Connect Telegram"}</button></p>`;
}
