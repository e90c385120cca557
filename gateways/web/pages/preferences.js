// Owns the page of preferences: one document that is edited as a whole and saved by what changed.
import { useEffect, useRef, useState } from "preact/hooks";
import { get, request } from "../api.js";
import { changed, difference, same } from "../patch.js";
import { PATH as ENDPOINTS } from "../endpoints.js";
import { guard } from "../router.js";
import { Spinner } from "../ui/bits.js";
import { DigestEditor } from "../ui/digest-editor.js";
import { called, stopped } from "../ui/endpoint-row.js";
import { html } from "../ui/html.js";
import { MutesEditor, unnamed } from "../ui/mutes-editor.js";
import { PreferenceGrid } from "../ui/preference-grid.js";
import { QuietEditor } from "../ui/quiet-editor.js";
import { notify } from "../ui/toasts.js";

const PATH = "/v1/me/preferences";
const QUESTION = "Your changes are not saved. Leave without them?";

const PARTS = {
  channels: "Channels",
  topics: "Topics",
  quiet_hours: "Quiet hours",
  digest: "Digest",
  muted: "Muted",
};

// Paths are for programs: people are told the part of the page, once for each thing that is wrong there.
function inWords({ message, errors }) {
  const parts = errors.map(({ path }) => PARTS[/^\w*/.exec(path)[0]]);
  if (!errors.length || !parts.every(Boolean)) return message;
  return `${[...new Set(errors.map((error, index) => `${parts[index]}: ${error.message}`))].join("; ")}.`;
}

// The browser asks in its own words when the tab is closed; within the client we ask.
function useGuard(unsaved) {
  useEffect(() => {
    if (!unsaved) return undefined;
    const closing = (event) => event.preventDefault();
    const unguard = guard(() => window.confirm(QUESTION));
    window.addEventListener("beforeunload", closing);
    return () => {
      unguard();
      window.removeEventListener("beforeunload", closing);
    };
  }, [unsaved]);
}

function SaveBar({ problem, busy, discard }) {
  return html`<div class="save-bar card" role="region" aria-label="Unsaved changes">
    ${problem
      ? html`<p class="grow field-error" role="alert">Not saved. ${inWords(problem)}</p>`
      : html`<p class="grow muted">You have unsaved changes.</p>`}
    <button type="button" class="button button-quiet" disabled=${busy} onClick=${discard}>Discard</button>
    <button class="button button-main" disabled=${busy}>${busy ? "Saving…" : "Save"}</button>
  </div>`;
}

function useDocument(first) {
  const [saved, setSaved] = useState(first);
  const [edited, setEdited] = useState(first);
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const take = (document) => {
    setSaved(document);
    setEdited(document);
    setProblem(null);
  };
  const save = async () => {
    setBusy(true);
    try {
      // Only what was changed, so that two open tabs don't undo each other.
      take(await request("PATCH", PATH, { body: difference(saved, edited) }));
      notify({ text: "Your preferences are saved.", good: true });
    } catch (wrong) {
      setProblem({ message: wrong.message, errors: unnamed(wrong.errors ?? [], edited.muted) });
    } finally {
      setBusy(false);
    }
  };
  const set = (path, value) => setEdited((now) => changed(now, path, value));
  const unsaved = !same(saved, edited);
  return { document: edited, unsaved, problem, busy, save, set, discard: () => take(saved) };
}

function Form({ first, zone }) {
  const { document: edited, unsaved, problem, busy, save, set, discard } = useDocument(first);
  const form = useRef(null);
  useGuard(unsaved);
  useEffect(() => {
    if (problem) form.current.querySelector("[aria-invalid]")?.focus();
  }, [problem]);
  const errors = Object.fromEntries(problem?.errors?.map(({ path, message }) => [path, message]) ?? []);
  const submit = (event) => {
    event.preventDefault();
    if (unsaved && !busy) save();
  };
  return html`<form ref=${form} class="parts" aria-label="Preferences" onSubmit=${submit} noValidate>
    <${PreferenceGrid} document=${edited} set=${set} errors=${errors} />
    <${QuietEditor} document=${edited} set=${set} errors=${errors} zone=${zone} />
    <${DigestEditor} document=${edited} set=${set} errors=${errors} />
    <${MutesEditor} document=${edited} set=${set} errors=${errors} />
    ${unsaved && html`<${SaveBar} problem=${problem} busy=${busy} discard=${discard} />`}
  </form>`;
}

function useUnsubscribed() {
  const [found, setFound] = useState([]);
  useEffect(() => {
    const keep = ({ items }) => setFound(items.filter((one) => one.state === "active" && one.unsubscribed.length));
    get(ENDPOINTS).then(keep, () => {});
  }, []);
  return found;
}

function Reached() {
  const unsubscribed = useUnsubscribed();
  return html`<section class="card part" aria-labelledby="part-endpoints">
    <h2 id="part-endpoints">Where you can be reached</h2>
    <p class="muted small">Mail addresses, phone numbers, Telegram and devices.</p>
    ${unsubscribed.map((one) => html`<p key=${one.id} class="note small">Whatever is ticked
      above,${" "}<a href="/endpoints">${called(one)}</a>${" "}is unsubscribed: ${stopped(one.unsubscribed)}.</p>`)}
    <p><a class="button" href="/endpoints">Addresses and devices</a></p>
  </section>`;
}

export function PreferencesPage() {
  const [found, setFound] = useState(null);
  const [problem, setProblem] = useState(null);
  useEffect(() => {
    document.title = "Preferences · Hub";
    Promise.all([get(PATH), get("/v1/me")]).then(setFound, setProblem);
  }, []);
  return html`<section class="column column-wide">
    <header class="page-head"><div class="grow"><h1>Preferences</h1>
      <p class="muted">What you hear of, where and when.</p></div></header>
    ${problem && html`<p class="note note-bad" role="alert">${problem.message}</p>`}
    ${!found && !problem && html`<p class="loading"><${Spinner} /></p>`}
    ${found && html`<${Form} first=${found[0]} zone=${found[1].tz ?? "UTC"} />
      <${Reached} />`}
  </section>`;
}
