// Owns the settings of the digest: how often, when, by which channel, and of what.
import { TOPICS } from "../topics.js";
import { Field } from "./bits.js";
import { Several, errorAt } from "./choices.js";
import { html } from "./html.js";

const MODES = { off: "Off", daily: "Every day", weekly: "Every week" };
const DAYS = {
  mon: "Monday",
  tue: "Tuesday",
  wed: "Wednesday",
  thu: "Thursday",
  fri: "Friday",
  sat: "Saturday",
  sun: "Sunday",
};
const BY = { email: "E-mail", telegram: "Telegram" };
// The rest is gathered by itself.
const CHOOSABLE = Object.fromEntries(
  Object.entries(TOPICS)
    .filter(([, { gathered }]) => !gathered)
    .map(([topic, { name }]) => [topic, name]),
);

export function Choice({ label, name, value, options, change, error }) {
  return html`<${Field} label=${label} error=${error}>${(given) => html`
    <select ...${given} class="input" name=${name} value=${value} onChange=${({ target }) => change(target.value)}>
      ${Object.entries(options).map(([key, text]) => html`
        <option key=${key} value=${key} selected=${key === value}>${text}</option>`)}</select>`}<//>`;
}

function When({ digest, put, errors }) {
  return html`<div class="fields">
    ${digest.mode === "weekly" && html`<${Choice} label="On" name="digest-weekday" value=${digest.weekday}
      options=${DAYS} change=${put("weekday")} error=${errorAt(errors, "digest.weekday")} />`}
    <${Field} label="At" error=${errorAt(errors, "digest.at")}>${(given) => html`
      <input ...${given} class="input" type="time" name="digest-at" value=${digest.at}
        onInput=${({ target }) => put("at")(target.value)} />`}<//>
    <${Choice} label="By" name="digest-channel" value=${digest.channel} options=${BY} change=${put("channel")}
      error=${errorAt(errors, "digest.channel")} /></div>`;
}

export function DigestEditor({ document, set, errors }) {
  const { digest } = document;
  const put = (name) => (value) => set(["digest", name], value);
  return html`<section class="card part" aria-labelledby="part-digest">
    <h2 id="part-digest">Digest</h2>
    <p class="muted small">What can wait, gathered into one message: milestones and announcements, and what you
      choose below.</p>
    <${Choice} label="How often" name="digest-mode" value=${digest.mode} options=${MODES} change=${put("mode")}
      error=${errorAt(errors, "digest.mode")} />
    ${digest.mode !== "off" && html`<${When} digest=${digest} put=${put} errors=${errors} />
      <${Several} legend="Also in the digest, rather than by itself" options=${CHOOSABLE} chosen=${digest.topics}
        change=${put("topics")} error=${errorAt(errors, "digest.topics")} />`}
  </section>`;
}
