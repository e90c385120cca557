// Owns the question whether the token of a link may take the place of who is signed in.
import { useEffect, useRef } from "preact/hooks";
import { begin, offered, session } from "../session.js";
import { html } from "./html.js";

// Only ids are shown: a name in a token is whatever its owner likes to be called.
function Question({ here, there, stay }) {
  return html`<div class="dialog-body">
    <h2 id="handover-title">Sign in as ${there.user}?</h2>
    <p id="handover-text">You are signed in as <strong>${here}</strong>. The link you followed signs you in
      as <strong>${there.user}</strong>, and what you do from then on is done in that name.
      If you did not expect this, stay who you are.</p>
    <div class="dialog-end">
      <button type="button" class="button" onClick=${() => begin(there.token)}>Continue as ${there.user}</button>
      <button type="button" class="button button-main" autofocus onClick=${stay}>Stay signed in as ${here}</button>
    </div></div>`;
}

export function Handover() {
  const dialog = useRef(null);
  const there = session.value && offered.value; // to who is not signed in the sign-in page puts it
  useEffect(() => {
    if (there && !dialog.current.open) dialog.current.showModal();
    if (!there && dialog.current.open) dialog.current.close();
  }, [there]);
  const stay = () => {
    offered.value = null;
  };
  return html`<dialog ref=${dialog} class="dialog help" role="alertdialog" aria-labelledby=${there && "handover-title"}
    aria-describedby=${there && "handover-text"} onClose=${stay}>
    ${there && html`<${Question} here=${session.value.user} there=${there} stay=${stay} />`}
  </dialog>`;
}
