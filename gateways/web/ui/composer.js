// Owns the form that publishes a post.
import { useEffect, useRef, useState } from "preact/hooks";
import { newKey } from "../api.js";
import { session } from "../session.js";
import { bind } from "../shortcuts.js";
import { useSubmit } from "../submit.js";
import { followed, selected } from "../zones.js";
import { Avatar, Field } from "./bits.js";
import { html } from "./html.js";
import { Icon } from "./icons.js";

const KINDS = ["post", "video", "article", "short"];
const EMPTY = { title: "", kind: "post", zone: null };

function Kinds({ value, change }) {
  return html`<fieldset class="segments"><legend class="visually-hidden">Kind</legend>
    ${KINDS.map((kind) => html`<label key=${kind} class="segment">
      <input type="radio" name="kind" value=${kind} checked=${kind === value} onChange=${() => change(kind)} />
      <span><${Icon} name=${kind} size=${16} />${kind}</span></label>`)}
  </fieldset>`;
}

function Zone({ value, change }) {
  return html`<${Field} label="Zone (optional)" hideLabel>${(given) => html`
    <input ...${given} class="input input-small" name="zone" placeholder="Zone (optional)" list="composer-zones"
      autocomplete="off" autocapitalize="off" spellcheck=${false} maxLength=${200} value=${value}
      onInput=${({ target }) => change(target.value)} />
    <datalist id="composer-zones">${followed.value.map((zone) => html`<option value=${zone} />`)}</datalist>`}<//>`;
}

export function Composer() {
  const [draft, setDraft] = useState(EMPTY);
  const [open, setOpen] = useState(false);
  const { busy, submit } = useSubmit();
  const [title, contentId] = [useRef(null), useRef(newKey())];
  const author = session.value.user;
  const change = (changed) => setDraft({ ...draft, ...changed });
  // Somebody who looks at one zone most likely writes for it.
  const zone = draft.zone ?? (selected.value.length === 1 ? selected.value[0] : "");

  useEffect(() => bind("c", () => title.current.focus()), []);

  const close = () => {
    setOpen(false);
    setDraft(EMPTY);
  };
  const send = async (event) => {
    event.preventDefault();
    const data = { content_id: contentId.current, author, kind: draft.kind, title: draft.title.trim() };
    if (!data.title) return title.current.focus();
    if (zone.trim()) data.zone = zone.trim();
    if (!(await submit({ type: "content.created", actor: author, data }))) return undefined;
    contentId.current = newKey();
    close();
    return title.current?.blur();
  };
  return html`<form class="card composer" onSubmit=${send} aria-label="Compose" noValidate>
    <div class="composer-row"><${Avatar} name=${author} />
      <${Field} label="Title" hideLabel>${(given) => html`
        <input ...${given} ref=${title} class="composer-title" name="title" placeholder="Share something…"
          autocomplete="off" maxLength=${300} value=${draft.title} readOnly=${busy}
          onFocus=${() => setOpen(true)} onInput=${({ target }) => change({ title: target.value })} />`}<//></div>
    ${open && html`<div class="composer-more">
      <${Kinds} value=${draft.kind} change=${(kind) => change({ kind })} />
      <div class="composer-end">
        <${Zone} value=${zone} change=${(value) => change({ zone: value })} />
        <span class="grow"></span>
        <button type="button" class="button button-quiet" onClick=${close} disabled=${busy}>Cancel</button>
        <button class="button button-main" disabled=${busy || !draft.title.trim()}>
          ${busy ? "Publishing…" : "Publish"}</button>
      </div>
    </div>`}
  </form>`;
}
