// Owns the list of addresses a person can be reached at: adding one, removing one.
import { useRef, useState } from "preact/hooks";
import { request } from "../api.js";
import { usePages } from "../pages.js";
import { channel, topic } from "../topics.js";
import { Field, Spinner } from "./bits.js";
import { Choice } from "./digest-editor.js";
import { html } from "./html.js";
import { Icon } from "./icons.js";
import { PagesFailed } from "./pages-end.js";
import { notify } from "./toasts.js";

const PATH = "/v1/me/endpoints";
const OFFERED = { email: "E-mail", sms: "SMS", push: "Push" };
const KINDS = { token: "Token", fid: "Installation id", webpush: "Web push" };
const EXAMPLES = { email: "ann@example.com", sms: "+15555550100", push: "" };
const STATES = { pending: "not verified yet", active: "", retired: "no longer used" };
const stopped = (topics) =>
  topics.includes("all") ? "everything" : topics.map((name) => topic(name).name).join(", ");

function Endpoint({ endpoint, remove }) {
  const { address, name, platform, state, retired_reason: why, unsubscribed } = endpoint;
  const more = [name, platform, STATES[state] && `${STATES[state]}${why ? ` (${why})` : ""}`].filter(Boolean);
  return html`<li class="endpoint"><span class="tag">${channel(endpoint.channel)}</span>
    <div class="grow"><p class="clip">${address}</p>
      ${more.length > 0 && html`<p class="muted small">${more.join(" · ")}</p>`}
      ${unsubscribed.length > 0 && html`<p class="muted small">Unsubscribed: ${stopped(unsubscribed)}</p>`}</div>
    ${state !== "retired" && html`<button type="button" class="icon-button" aria-label="Remove ${address}"
      title="Remove" onClick=${() => remove(endpoint)}><${Icon} name="close" size=${18} /></button>`}
  </li>`;
}

const EMPTY = { channel: "email", address: "", kind: "token" };

function Add({ added }) {
  const [draft, setDraft] = useState(EMPTY);
  const [errors, setErrors] = useState({});
  const [busy, setBusy] = useState(false);
  const put = (name) => (value) => setDraft({ ...draft, [name]: value });
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setErrors({});
    const { kind, ...rest } = { ...draft, address: draft.address.trim() };
    try {
      await request("POST", PATH, { body: rest.channel === "push" ? { ...rest, kind } : rest });
      setDraft({ ...EMPTY, channel: draft.channel });
      added();
    } catch (problem) {
      setErrors(Object.fromEntries(problem.errors?.map(({ path, message }) => [path, message]) ?? []));
      if (!problem.errors?.length) notify({ problem, title: "Not added" });
    } finally {
      setBusy(false);
    }
  };
  return html`<form class="endpoint-add" onSubmit=${submit} aria-label="Add an address" noValidate>
    <${Choice} label="Channel" name="endpoint-channel" value=${draft.channel} options=${OFFERED}
      change=${put("channel")} error=${errors.channel} />
    ${draft.channel === "push" && html`<${Choice} label="Kind" name="endpoint-kind" value=${draft.kind}
      options=${KINDS} change=${put("kind")} error=${errors.kind} />`}
    <${Field} label="Address" error=${errors.address}>${(given) => html`
      <input ...${given} class="input" name="endpoint-address" autocomplete="off" autocapitalize="off"
        spellcheck=${false} placeholder=${EXAMPLES[draft.channel]} value=${draft.address}
        onInput=${({ target }) => put("address")(target.value)} />`}<//>
    <button class="button" disabled=${busy || !draft.address.trim()}>${busy ? "Adding…" : "Add"}</button>
  </form>`;
}

function List({ list, remove }) {
  if (list.problem) return html`<${PagesFailed} list=${list} what="Your addresses" />`;
  if (!list.items.length) return list.loading ? html`<${Spinner} />` : html`<p class="muted">There is none yet.</p>`;
  return html`<ul class="endpoints">${list.items.map((one) => html`
    <${Endpoint} key=${one.id} endpoint=${one} remove=${remove} />`)}</ul>`;
}

export function Endpoints() {
  const list = usePages(PATH);
  const heading = useRef(null);
  const remove = async ({ id }) => {
    try {
      await request("DELETE", `${PATH}/${id}`);
    } catch (problem) {
      notify({ problem, title: "Not removed" });
    }
    list.reload();
    // The button that was pressed goes with its row.
    heading.current.focus();
  };
  return html`<section class="card part" aria-labelledby="part-endpoints">
    <h2 id="part-endpoints" ref=${heading} tabindex="-1">Where you can be reached</h2>
    <p class="muted small">Changes here count at once.</p>
    <${List} list=${list} remove=${remove} />
    <${Add} added=${list.reload} />
  </section>`;
}
