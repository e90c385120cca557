// Owns the editor of quiet hours, with the sentence that says what they mean right now.
import { useRef } from "preact/hooks";
import { now } from "../format.js";
import { DAYS, isZone, told } from "../quiet.js";
import { IN_A_SENTENCE } from "../topics.js";
import { Field } from "./bits.js";
import { Several, Switch, errorAt } from "./choices.js";
import { html } from "./html.js";
import { Icon } from "./icons.js";

const NAMES = { mon: "Mon", tue: "Tue", wed: "Wed", thu: "Thu", fri: "Fri", sat: "Sat", sun: "Sun" };
const WAITING = { push: "Push", sms: "SMS", telegram: "Telegram", email: "E-mail" };
const EVERY_NIGHT = { days: DAYS, from: "22:00", to: "07:00" };
const timeZones = Intl.supportedValuesOf?.("timeZone") ?? [];

function list(words) {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

// In two parts: the clock goes on by itself, what waits is news.
function sentence(quiet, zone, at) {
  if (!quiet.enabled) return ["", "Quiet hours are off: nothing waits."];
  if (!isZone(zone)) return ["", `This browser does not know the time zone ${zone}.`];
  const { now: clock, place, until, day, always } = told(quiet, zone, at);
  const lead = `now ${clock} in ${place}: `;
  const waiting = quiet.channels.map((channel) => IN_A_SENTENCE[channel]);
  if (until === null || !waiting.length) return [lead, "nothing waits"];
  const verb = waiting.length === 1 ? "waits" : "wait";
  const end = day ? `${day}, ${until}` : until;
  const urgent = quiet.allow_immediate ? ", but for what is urgent" : "";
  if (always) return [lead, `always quiet: ${list(waiting)} ${verb}${urgent}`];
  return [lead, `${list(waiting)} ${verb} until ${end}${urgent}`];
}

function Clock({ label, value, error, change }) {
  return html`<${Field} label=${label} error=${error}>${(given) => html`
    <input ...${given} class="input" type="time" value=${value}
      onInput=${({ target }) => change(target.value)} />`}<//>`;
}

function Window({ window, index, set, remove, errors }) {
  const path = `quiet_hours.windows[${index}]`;
  const put = (name) => (value) => set(["quiet_hours", "windows", index, name], value);
  return html`<li class="window" role="group" aria-label="Window ${index + 1}">
    <${Several} legend="Begins on" options=${NAMES} chosen=${window.days} change=${put("days")}
      error=${errorAt(errors, `${path}.days`)} />
    <div class="window-times">
      <${Clock} label="From" value=${window.from} change=${put("from")} error=${errorAt(errors, `${path}.from`)} />
      <${Clock} label="To" value=${window.to} change=${put("to")} error=${errorAt(errors, `${path}.to`)} />
      <button type="button" class="icon-button" aria-label="Remove window ${index + 1}"
        title="Remove" onClick=${remove}>
        <${Icon} name="close" size=${18} /></button>
    </div>
    ${window.to <= window.from && html`<p class="hint">${window.to && window.to === window.from
      ? "The whole day: ends at the same time on the next day." : "Ends on the next day."}</p>`}
  </li>`;
}

function Windows({ quiet, set, errors }) {
  const add = useRef(null);
  const put = (windows) => set(["quiet_hours", "windows"], windows);
  const remove = (index) => {
    put(quiet.windows.filter((_, other) => other !== index));
    add.current.focus();
  };
  const wrong = errors["quiet_hours.windows"];
  return html`<ul class="windows">${quiet.windows.map((window, index) => html`
      <${Window} key=${index} window=${window} index=${index} set=${set} errors=${errors}
        remove=${() => remove(index)} />`)}</ul>
    ${wrong && html`<p class="field-error">${wrong}</p>`}
    <p><button ref=${add} type="button" class="button button-small"
      onClick=${() => put([...quiet.windows, EVERY_NIGHT])}>
      <${Icon} name="plus" size=${16} />Add a window</button></p>`;
}

function Zone({ quiet, set, errors, zone }) {
  return html`<${Field} label="Time zone" error=${errorAt(errors, "quiet_hours.tz")}
    hint="Cleared, it is that of your profile.">${(given) => html`
    <input ...${given} class="input" name="quiet-zone" list="zones-of-quiet" autocomplete="off" spellcheck=${false}
      placeholder=${zone} value=${quiet.tz ?? ""}
      onInput=${({ target }) => set(["quiet_hours", "tz"], target.value.trim() || null)} />
    <datalist id="zones-of-quiet">${timeZones.map((one) => html`<option value=${one} />`)}</datalist>`}<//>`;
}

// Switching it on without any window would change nothing: one that most people mean is offered.
function turnOn(quiet, set) {
  return (enabled) => {
    const windows = enabled && !quiet.windows.length ? [EVERY_NIGHT] : quiet.windows;
    set(["quiet_hours"], { ...quiet, enabled, windows });
  };
}

export function QuietEditor({ document, set, errors, zone }) {
  const quiet = document.quiet_hours;
  const [lead, waits] = sentence(quiet, quiet.tz ?? zone, now.value);
  return html`<section class="card part" aria-labelledby="part-quiet">
    <div class="part-head"><h2 id="part-quiet" class="grow">Quiet hours</h2>
      <${Switch} label="Quiet hours" hideLabel checked=${quiet.enabled} change=${turnOn(quiet, set)} /></div>
    <p class="note sentence">${lead}<span role="status">${waits}</span></p>
    ${quiet.enabled && html`<${Windows} quiet=${quiet} set=${set} errors=${errors} />
      <${Zone} quiet=${quiet} set=${set} errors=${errors} zone=${zone} />
      <${Several} legend="What waits" options=${WAITING} chosen=${quiet.channels}
        change=${(channels) => set(["quiet_hours", "channels"], channels)}
        error=${errorAt(errors, "quiet_hours.channels")} />
      <${Switch} checked=${quiet.allow_immediate} change=${(on) => set(["quiet_hours", "allow_immediate"], on)}>
        What is urgent comes through<//>`}
  </section>`;
}
