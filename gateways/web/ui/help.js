// Owns the dialog that lists the keyboard shortcuts and switches them off.
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { isAdmin } from "../session.js";
import { enable, enabled } from "../shortcuts.js";
import { CloseButton } from "./bits.js";
import { html } from "./html.js";

export const helpShown = signal(false);

const SHORTCUTS = [
  ["g f", "Go to the feed"],
  ["g n", "Go to your notifications"],
  ["g s", "Go to your preferences"],
  ["g a", "Go to your addresses and devices"],
  ["g e", "Go to the events", isAdmin],
  ["g d", "Go to the deliveries", isAdmin],
  ["g p", "Go to your profile"],
  ["/", "Filter"],
  ["c", "Compose"],
  ["j", "Next card"],
  ["k", "Previous card"],
  ["?", "Show this help"],
  ["Esc", "Close what is open"],
];

const Switch = () => html`<label class="switch">
  <input type="checkbox" role="switch" checked=${enabled.value} onChange=${({ target }) => enable(target.checked)} />
  <span class="switch-track"></span><span>Use keyboard shortcuts</span></label>
  <p class="hint">Remembered in this browser. Esc always works.</p>`;

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
      <div class="help-end"><${Switch} /></div>
    </div>
  </dialog>`;
}
