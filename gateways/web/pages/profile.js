// Owns the page with one's own name, handle, time zone and language.
import { useEffect, useState } from "preact/hooks";
import { get, request } from "../api.js";
import { session } from "../session.js";
import { Avatar, Field, Spinner } from "../ui/bits.js";
import { html } from "../ui/html.js";
import { notify } from "../ui/toasts.js";

const FIELDS = [
  { name: "name", label: "Name", hint: "Shown to others.", autocomplete: "name" },
  { name: "handle", label: "Handle", hint: "How others mention you: letters, digits and _ . -", autocomplete: "username" },
  {
    name: "tz",
    label: "Time zone",
    hint: "Of the IANA database, for example Europe/Berlin.",
    list: "zones-of-time",
  },
  { name: "locale", label: "Language", hint: "A language tag, for example en or de-AT.", autocomplete: "language" },
];

const timeZones = Intl.supportedValuesOf?.("timeZone") ?? [];
const pick = (profile) => Object.fromEntries(FIELDS.map(({ name }) => [name, profile[name] ?? ""]));

// Only what was changed is sent, so that two open tabs don't undo each other.
function changes(saved, edited) {
  const changed = Object.entries(edited).filter(([name, value]) => value.trim() !== saved[name]);
  return Object.fromEntries(changed.map(([name, value]) => [name, value.trim() || null]));
}

// A server names a field as `name`, `body.name` or `/name`.
const fieldOf = (path) => String(path).split(/[./]/).filter(Boolean).at(-1);

function Input({ field, value, error, change }) {
  return html`<${Field} label=${field.label} hint=${field.hint} error=${error}>${(given) => html`
    <input ...${given} class="input" name=${field.name} autocomplete=${field.autocomplete ?? "off"} list=${field.list}
      spellcheck=${false} value=${value} onInput=${({ target }) => change(field.name, target.value)} />`}<//>`;
}

function Form({ saved, onSaved }) {
  const [edited, setEdited] = useState(saved);
  const [errors, setErrors] = useState({});
  const [busy, setBusy] = useState(false);
  const changed = changes(saved, edited);
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setErrors({});
    try {
      onSaved(await request("PATCH", "/v1/me", { body: changed }));
      notify({ text: "Your profile is saved.", good: true });
    } catch (problem) {
      const told = Object.fromEntries(problem.errors?.map(({ path, message }) => [fieldOf(path), message]) ?? []);
      setErrors(told);
      if (!FIELDS.some(({ name }) => told[name])) notify({ problem, title: "Not saved" });
    } finally {
      setBusy(false);
    }
  };
  return html`<form class="card form" onSubmit=${submit} noValidate>
    ${FIELDS.map((field) => html`<${Input} key=${field.name} field=${field} value=${edited[field.name]}
      error=${errors[field.name]} change=${(name, value) => setEdited({ ...edited, [name]: value })} />`)}
    <datalist id="zones-of-time">${timeZones.map((zone) => html`<option value=${zone} />`)}</datalist>
    <div class="form-end"><button class="button button-main" disabled=${busy || !Object.keys(changed).length}>
      ${busy ? "Saving…" : "Save"}</button></div>
  </form>`;
}

export function ProfilePage() {
  const [profile, setProfile] = useState(null);
  const [problem, setProblem] = useState(null);
  useEffect(() => {
    document.title = "Profile · Hub";
    get("/v1/me").then(setProfile, setProblem);
  }, []);
  const { user, scopes } = session.value;
  return html`<section class="column">
    <header class="page-head"><${Avatar} name=${user} size="l" />
      <div class="grow"><h1 class="clip">${profile?.name || session.value.name}</h1>
        <p class="muted clip">${user} · ${scopes.join(", ") || "user"}</p></div></header>
    ${problem && html`<p class="note note-bad" role="alert">${problem.message}</p>`}
    ${!profile && !problem && html`<p class="loading"><${Spinner} /></p>`}
    ${profile && html`<${Form} key=${JSON.stringify(profile)} saved=${pick(profile)} onSaved=${setProfile} />`}
  </section>`;
}
