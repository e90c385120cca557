// Owns the row of zones: following one, leaving one, and narrowing the feed to some.
import { useEffect, useRef, useState } from "preact/hooks";
import { hears } from "../live.js";
import { bind } from "../shortcuts.js";
import { follow, followed, selectAll, selected, toggle, unfollow } from "../zones.js";
import { Field } from "./bits.js";
import { html } from "./html.js";
import { Icon } from "./icons.js";

function Chip({ zone }) {
  return html`<li class="chip-pair" data-on=${selected.value.includes(zone)}>
    <button type="button" class="chip" aria-pressed=${selected.value.includes(zone)} aria-busy=${!hears(zone)}
      onClick=${() => toggle(zone)}>${zone}</button>
    <button type="button" class="chip-remove" aria-label="Stop following ${zone}" title="Stop following"
      onClick=${() => unfollow(zone)}>
      <${Icon} name="close" size=${14} /></button></li>`;
}

function Add() {
  const [text, setText] = useState("");
  const [error, setError] = useState("");
  const input = useRef(null);
  useEffect(() => bind("/", () => input.current.focus()), []);
  const submit = (event) => {
    event.preventDefault();
    if (!text.trim()) return;
    const wrong = follow(text);
    setError(wrong);
    if (!wrong) setText("");
  };
  const leave = (press) => {
    if (press.key !== "Escape") return;
    setText("");
    setError("");
    input.current.blur();
  };
  const write = ({ target }) => {
    setText(target.value);
    setError("");
  };
  return html`<form class="zone-add" onSubmit=${submit} noValidate>
    <${Field} label="Follow a zone" hideLabel error=${error}>${(given) => html`<span class="zone-input">
      <${Icon} name="plus" size=${16} />
      <input ...${given} ref=${input} class="chip-input" name="zone" placeholder="Follow a zone" autocomplete="off"
        autocapitalize="off" spellcheck=${false} maxLength=${200} value=${text} enterkeyhint="done"
        onInput=${write} onKeyDown=${leave} /></span>`}<//>
  </form>`;
}

export function ZoneFilter() {
  const all = selected.value.length === 0;
  return html`<div class="zones" role="group" aria-label="Zones">
    ${followed.value.length > 0 && html`<ul class="zone-list">
      <li><button type="button" class="chip" aria-pressed=${all} onClick=${selectAll}>All</button></li>
      ${followed.value.map((zone) => html`<${Chip} key=${zone} zone=${zone} />`)}
    </ul>`}
    <${Add} />
  </div>`;
}
