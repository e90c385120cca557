// Owns the way in: in development one picks a person; in production the platform hands over a token.
import { useEffect, useState } from "preact/hooks";
import { Problem, get, request } from "../api.js";
import { begin, endedBecause, offered } from "../session.js";
import { development } from "../site.js";
import { Avatar, Field, Spinner } from "../ui/bits.js";
import { html } from "../ui/html.js";

const ID = /^[A-Za-z0-9_.:-]{1,64}$/;

function useUsers() {
  const [found, setFound] = useState({ state: "loading" });
  const [asked, ask] = useState(0);
  useEffect(() => {
    if (!development) return setFound({ state: "production" });
    setFound({ state: "loading" });
    get("/dev/users").then(
      ({ users }) => setFound({ state: "development", users }),
      (problem) => setFound({ state: "failed", problem }),
    );
  }, [asked]);
  return { ...found, again: () => ask(asked + 1) };
}

const notes = ({ roles, suspended }) => [...roles, suspended && "suspended"].filter(Boolean);

function Person({ person, busy, choose }) {
  return html`<li><button type="button" class="person" disabled=${Boolean(busy)} onClick=${() => choose(person.id)}>
    <${Avatar} name=${person.id} />
    <span class="grow"><strong class="clip">${person.name || person.id}</strong>
      <span class="muted small clip">${person.id}</span></span>
    ${notes(person).map((note) => html`<span key=${note} class="tag">${note}</span>`)}
    ${busy === person.id && html`<${Spinner} label="Signing in" />`}
  </button></li>`;
}

function NewPerson({ busy, choose }) {
  const [user, setUser] = useState("");
  const [error, setError] = useState("");
  const submit = (event) => {
    event.preventDefault();
    const wrong = ID.test(user) ? "" : "1 to 64 letters, digits or _ . : -";
    setError(wrong);
    if (!wrong) choose(user);
  };
  return html`<form class="new-person" onSubmit=${submit} noValidate>
    <${Field} label="Or as someone new" error=${error}>${(given) => html`<div class="input-row">
      <input ...${given} class="input" name="user" placeholder="user id" autocomplete="off" autocapitalize="off"
        spellcheck=${false} maxLength=${64} value=${user} onInput=${({ target }) => setUser(target.value)} />
      <button class="button button-main" disabled=${Boolean(busy)}>Sign in</button></div>`}<//>
  </form>`;
}

function Development({ users }) {
  const [busy, setBusy] = useState("");
  const [problem, setProblem] = useState(null);
  const choose = async (user) => {
    setBusy(user);
    setProblem(null);
    try {
      const { token } = await request("POST", "/dev/sign-in", { body: { user } });
      begin(token);
    } catch (error) {
      setProblem(error);
      setBusy("");
    }
  };
  return html`<p class="muted">This hub runs in development: pick who you want to be.</p>
    ${problem && html`<p class="note note-bad" role="alert">${problem.message}</p>`}
    <ul class="people">${users.map((person) => html`
      <${Person} key=${person.id} person=${person} busy=${busy} choose=${choose} />`)}</ul>
    <${NewPerson} busy=${busy} choose=${choose} />`;
}

const Production = () => html`<p>This hub has no sign-in of its own.</p>
  <p class="muted">The platform you come from signs you in and opens this page with your token, like so:</p>
  <pre class="code">${location.origin}/#token=…</pre>
  <p class="muted small">The token is taken out of the address at once and kept for this tab only.</p>`;

// Only the id is shown: a name in a token is whatever its owner likes to be called.
function Offered({ token, user }) {
  const decline = () => {
    offered.value = null;
  };
  return html`<p>The link you followed signs you in as <strong>${user}</strong>, and what you do from then on is done
      in that name.</p>
    <p class="muted">If you did not expect this, do not continue.</p>
    <div class="dialog-end">
      <button type="button" class="button" onClick=${decline}>Do not sign in</button>
      <button type="button" class="button button-main" onClick=${() => begin(token)}>Continue as ${user}</button>
    </div>`;
}

const Failed = ({ problem, again }) => html`
  <p class="note note-bad" role="alert">${problem instanceof Problem ? problem.message : "Something went wrong."}</p>
  <p><button type="button" class="button" onClick=${again}>Try again</button></p>`;

function Ways({ state, users, problem, again }) {
  return html`
    ${state === "loading" && html`<p class="loading"><${Spinner} /></p>`}
    ${state === "development" && html`<${Development} users=${users} />`}
    ${state === "production" && html`<${Production} />`}
    ${state === "failed" && html`<${Failed} problem=${problem} again=${again} />`}`;
}

export function SignInPage() {
  const ways = useUsers();
  useEffect(() => {
    document.title = "Sign in · Hub";
  }, []);
  return html`<section class="sign-in">
    <h1>Sign in</h1>
    ${endedBecause.value && html`<p class="note" role="status">${endedBecause.value}</p>`}
    ${offered.value ? html`<${Offered} ...${offered.value} />` : html`<${Ways} ...${ways} />`}
  </section>`;
}
