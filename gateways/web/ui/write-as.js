// Owns the box in which one writes to the hub as somebody else, through a simulator.
import { useId, useState } from "preact/hooks";
import { request } from "../api.js";
import { Field } from "./bits.js";
import { html } from "./html.js";
import { notify } from "./toasts.js";

const WAYS = {
  sms: { simulator: "twilio", label: "Number", inputmode: "tel", first: "", placeholder: "+15555550100", text: "STOP" },
  telegram: { simulator: "telegram", label: "Chat", inputmode: "numeric", first: "4242", placeholder: "4242", text: "/start …" },
};

// Whether what is written on this channel can come from here.
export const canWrite = (channel, simulators) => Boolean(simulators?.includes(WAYS[channel]?.simulator));

// `last`: whom the hub wrote to last, who is the most likely to answer.
export function WriteAs({ channel, last, sent }) {
  const { simulator, label, inputmode, first, placeholder, text: example } = WAYS[channel];
  const [address, setAddress] = useState(last ?? first);
  const [text, setText] = useState("");
  const [errors, setErrors] = useState({});
  const [busy, setBusy] = useState(false);
  const heading = useId();
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setErrors({});
    try {
      await request("POST", "/dev/outbox", { body: { simulator, address: address.trim(), text: text.trim() } });
      setText("");
      notify({ text: `The hub got it from ${address.trim()}.`, good: true });
      sent();
    } catch (problem) {
      setErrors(Object.fromEntries(problem.errors?.map(({ path, message }) => [path, message]) ?? []));
      if (!problem.errors?.length) notify({ problem, title: "Not sent" });
    } finally {
      setBusy(false);
    }
  };
  return html`<form class="write-as" onSubmit=${submit} aria-labelledby=${heading} noValidate>
    <h3 id=${heading}>Write as this person</h3>
    <${Field} label=${label} error=${errors.address}>${(given) => html`<input ...${given} class="input input-small"
      name="write-${channel}-address" inputmode=${inputmode} autocomplete="off" maxlength="64" placeholder=${placeholder}
      value=${address} onInput=${({ target }) => setAddress(target.value)} />`}<//>
    <${Field} label="Text" error=${errors.text}>${(given) => html`<input ...${given} class="input input-small"
      name="write-${channel}-text" autocomplete="off" autocapitalize="off" spellcheck=${false} maxlength="4096"
      placeholder=${example} value=${text} onInput=${({ target }) => setText(target.value)} />`}<//>
    <button class="button button-small" disabled=${busy || !address.trim() || !text.trim()}>
      ${busy ? "Sending…" : "Send"}</button>
  </form>`;
}
