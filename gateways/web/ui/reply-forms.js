// Owns the two small forms below a post: a comment and a tip.
import { useEffect, useRef, useState } from "preact/hooks";
import { hours, parseHours } from "../format.js";
import { session } from "../session.js";
import { useSubmit } from "../submit.js";
import { Field } from "./bits.js";
import { html } from "./html.js";

const AMOUNTS = ["1", "5", "10"];

function useFocus() {
  const input = useRef(null);
  useEffect(() => input.current?.focus({ preventScroll: true }), []);
  return input;
}

const closeOnEscape = (close) => (press) => {
  if (press.key !== "Escape") return;
  press.stopPropagation();
  close();
};

export function CommentForm({ post, close }) {
  const [text, setText] = useState("");
  const { busy, submit } = useSubmit();
  const input = useFocus();
  const send = async (event) => {
    event.preventDefault();
    if (!text.trim()) return;
    const data = { content_id: post.content_id, author: post.author, text: text.trim() };
    if (await submit({ type: "content.commented", actor: session.value.user, data })) close();
  };
  return html`<form class="reply" onSubmit=${send} onKeyDown=${closeOnEscape(close)} aria-label="Comment" noValidate>
    <${Field} label="Comment" hideLabel>${(given) => html`<input ...${given} ref=${input} class="input" name="text"
      placeholder="Write a comment…" autocomplete="off" maxLength=${2000} value=${text} readOnly=${busy}
      onInput=${({ target }) => setText(target.value)} />`}<//>
    <button class="button button-main" disabled=${busy || !text.trim()}>${busy ? "Sending…" : "Send"}</button>
  </form>`;
}

function Amounts({ value, change }) {
  return html`<div class="amounts" role="group" aria-label="Suggested amounts">${AMOUNTS.map((amount) => html`
    <button key=${amount} type="button" class="chip chip-tip" aria-pressed=${value === amount}
      onClick=${() => change(amount)}>${amount}</button>`)}</div>`;
}

export function TipForm({ post, close }) {
  const [text, setText] = useState("5");
  const [note, setNote] = useState("");
  const { busy, submit } = useSubmit();
  const input = useFocus();
  const amount = parseHours(text);
  const wrong = text && !amount ? "Write an amount like 5 or 2.50." : "";
  const send = async (event) => {
    event.preventDefault();
    if (!amount) return;
    const data = { to: post.author, amount, content_id: post.content_id };
    if (note.trim()) data.note = note.trim();
    if (await submit({ type: "hours.tipped", actor: session.value.user, data })) close();
  };
  return html`<form class="reply reply-tip" onSubmit=${send} onKeyDown=${closeOnEscape(close)} noValidate
    aria-label="Tip ${post.author}">
    <${Amounts} value=${text} change=${setText} />
    <${Field} label="Amount in HRS" hideLabel error=${wrong}>${(given) => html`
      <input ...${given} ref=${input} class="input input-amount numbers" name="amount" inputmode="decimal"
        autocomplete="off" value=${text} readOnly=${busy} onInput=${({ target }) => setText(target.value)}
        onFocus=${({ target }) => target.select()} />`}<//>
    <${Field} label="Note to ${post.author} (optional)" hideLabel>${(given) => html`
      <input ...${given} class="input" name="note" placeholder="A note only ${post.author} sees" autocomplete="off"
        maxLength=${280} value=${note} readOnly=${busy} onInput=${({ target }) => setNote(target.value)} />`}<//>
    <button class="button button-main" disabled=${busy || !amount}>
      ${busy ? "Sending…" : `Tip ${amount ? hours(amount) : ""}`}</button>
  </form>`;
}
