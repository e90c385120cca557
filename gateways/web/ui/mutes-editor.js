// Owns the list of whom and what a person does not want to hear of, perhaps only until a time.
import { useRef } from "preact/hooks";
import { Field } from "./bits.js";
import { errorAt } from "./choices.js";
import { Choice } from "./digest-editor.js";
import { html } from "./html.js";
import { Icon } from "./icons.js";

const KINDS = { user: "Person", content: "Post", zone: "Zone", conversation: "Conversation" };
const kindOf = (mute) => Object.keys(KINDS).find((kind) => kind in mute) ?? "user";

// What is wrong with a mute that names nobody is that alone.
export function unnamed(errors, muted) {
  return errors.map((error) => {
    const [, index, kind] = /^muted\[(\d+)\]\.(\w+)$/.exec(error.path) ?? [];
    return kind in KINDS && muted[index]?.[kind] === "" ? { ...error, message: "say whom or what to mute" } : error;
  });
}

// What the control wants is the time of this browser's clock, without its zone.
function local(time) {
  if (!time) return "";
  const date = new Date(time);
  return new Date(date - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function Mute({ mute, index, put, remove, errors }) {
  const kind = kindOf(mute);
  const path = `muted[${index}]`;
  const until = mute.until ? { until: mute.until } : {};
  const last = ({ target }) =>
    put({ [kind]: mute[kind], ...(target.value ? { until: new Date(target.value).toISOString() } : {}) });
  return html`<li class="mute" role="group" aria-label="Mute ${index + 1}">
    <${Choice} label="What" name="mute-kind" value=${kind} options=${KINDS} error=${errors[path]}
      change=${(other) => put({ [other]: mute[kind], ...until })} />
    <${Field} label="Id" error=${errorAt(errors, `${path}.${kind}`)}>${(given) => html`
      <input ...${given} class="input" name="mute-id" autocomplete="off" autocapitalize="off" spellcheck=${false}
        value=${mute[kind]} onInput=${({ target }) => put({ [kind]: target.value.trim(), ...until })} />`}<//>
    <${Field} label="Until (optional)" error=${errorAt(errors, `${path}.until`)}>${(given) => html`
      <input ...${given} class="input" type="datetime-local" name="mute-until" value=${local(mute.until)}
        onChange=${last} />`}<//>
    <button type="button" class="icon-button" aria-label="Remove mute ${index + 1}" title="Remove" onClick=${remove}>
      <${Icon} name="close" size=${18} /></button>
  </li>`;
}

export function MutesEditor({ document, set, errors }) {
  const { muted } = document;
  const add = useRef(null);
  const put = (list) => set(["muted"], list);
  const remove = (index) => {
    put(muted.filter((_, place) => place !== index));
    add.current.focus();
  };
  const wrong = errors.muted;
  return html`<section class="card part" aria-labelledby="part-muted">
    <h2 id="part-muted">Muted</h2>
    <p class="muted small">You hear nothing of these, on any channel.</p>
    ${muted.length > 0 && html`<ul class="mutes">${muted.map((mute, index) => html`
      <${Mute} key=${index} mute=${mute} index=${index} errors=${errors}
        put=${(changed) => put(muted.map((other, place) => (place === index ? changed : other)))}
        remove=${() => remove(index)} />`)}</ul>`}
    ${wrong && html`<p class="field-error">${wrong}</p>`}
    <p><button ref=${add} type="button" class="button button-small" onClick=${() => put([...muted, { user: "" }])}>
      <${Icon} name="plus" size=${16} />Mute someone or something</button></p>
  </section>`;
}
