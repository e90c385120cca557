// Owns the dialog that lists the keyboard shortcuts.
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { isAdmin } from "../session.js";
import { CloseButton } from "./bits.js";
import { html } from "./html.js";

export const helpShown = signal(false);

const SHORTCUTS = [
  ["g f", "Go to the feed"],
  ["g e", "Go to the events", isAdmin],
  ["g p", "Go to your profile"],
  ["/", "Filter"],
  ["c", "Compose"],
  ["j", "Next card"],
  ["k", "Previous card"],
  ["?", "Show this help"],
  ["Esc", "Close what is open"],
];

export function Help() {
  const dialog = useRef(null);
  const shown = helpShown.value;
  useEffect(() => {
    if (shown && !dialog.current.open) dialog.current.showModal();
    if (!shown && dialog.current.open) dialog.current.close();
  }, [shown]);
  const hide = () => {
    helpShown.value = false;
  };
  const known = SHORTCUTS.filter(([, , allowed]) => !allowed || allowed.value);
  return html`<dialog ref=${dialog} class="dialog help" aria-labelledby="help-title" onClose=${hide}
    onClick=${({ target }) => target === dialog.current && hide()}>
    <div class="dialog-body">
      <header class="dialog-head"><h2 id="help-title">Keyboard shortcuts</h2><${CloseButton} close=${hide} /></header>
      <dl class="shortcuts">${known.map(([keys, does]) => html`
        <div key=${keys}><dt>${does}</dt>
          <dd>${keys.split(" ").map((key) => html`<kbd>${key}</kbd>`)}</dd></div>`)}</dl>
    </div>
  </dialog>`;
}
