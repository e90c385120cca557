// Owns the drawer of one event: what it says and the way it went, refreshed while it is still on its way.
import { useEffect, useRef, useState } from "preact/hooks";
import { get } from "../api.js";
import { describe } from "../describe.js";
import { titleOf } from "../feed.js";
import { CloseButton, CopyButton, Spinner } from "./bits.js";
import { html } from "./html.js";
import { Timeline } from "./timeline.js";

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 10_000;
const SETTLES_WITHIN = 15_000;

// No group yet means: not handled yet, or nobody's business. The first is over after a moment.
function underway({ relayed_at: relayed, accepted_at: accepted, groups }) {
  if (!relayed || groups.some(({ state }) => !["handled", "dead"].includes(state))) return true;
  return Date.now() - new Date(accepted) < SETTLES_WITHIN;
}

function useTrace(id) {
  const [found, setFound] = useState({ trace: null, problem: null });
  useEffect(() => {
    let [timer, pause, gone] = [undefined, FIRST_PAUSE, false];
    const load = async () => {
      const next = await get(`/v1/events/${encodeURIComponent(id)}/trace`).then(
        (trace) => ({ trace, problem: null }),
        (problem) => ({ problem }),
      );
      if (gone) return;
      setFound((before) => ({ ...before, ...next }));
      if (next.problem ? next.problem.final : !underway(next.trace)) return;
      timer = setTimeout(load, pause);
      pause = Math.min(LONGEST_PAUSE, pause * 1.5);
    };
    load();
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [id]);
  return found;
}

function Json({ event }) {
  const text = JSON.stringify(event, null, 2);
  return html`<section class="drawer-part" aria-labelledby="drawer-json">
    <div class="drawer-part-head"><h3 id="drawer-json">Event</h3>
      <${CopyButton} text=${text} label="Copy JSON" /></div>
    <pre class="code" tabindex="0">${text}</pre>
  </section>`;
}

function Content({ trace }) {
  const moving = underway(trace);
  return html`<p class="drawer-text">${describe(trace.event, undefined, titleOf(trace.event)).text}</p>
    <section class="drawer-part" aria-labelledby="drawer-trace">
      <div class="drawer-part-head"><h3 id="drawer-trace">Trace</h3>${moving && html`
        <span class="muted small" role="status"><span class="dot dot-connecting"></span> refreshing</span>`}</div>
      <${Timeline} trace=${trace} />
    </section>
    <${Json} event=${trace.event} />`;
}

export function EventDrawer({ id, close }) {
  const dialog = useRef(null);
  const { trace, problem } = useTrace(id);
  useEffect(() => {
    dialog.current.showModal();
    dialog.current.focus();
    const opener = document.querySelector(`[data-event="${CSS.escape(id)}"]`);
    return () => opener?.focus();
  }, []);
  const hide = () => dialog.current.close();
  return html`<dialog ref=${dialog} class="dialog drawer" tabindex="-1" aria-labelledby="drawer-title"
    onClose=${close} onClick=${({ target }) => target === dialog.current && hide()}>
    <div class="dialog-body">
      <header class="dialog-head">
        <div class="grow"><h2 id="drawer-title" class="clip">${trace?.event.type ?? "Event"}</h2>
          <p class="muted small numbers clip">${id}</p></div>
        <${CloseButton} close=${hide} />
      </header>
      ${problem && html`<p class="note note-bad" role="alert">${problem.message}</p>`}
      ${!trace && !problem && html`<p class="loading"><${Spinner} /></p>`}
      ${trace && html`<${Content} trace=${trace} />`}
    </div>
  </dialog>`;
}
