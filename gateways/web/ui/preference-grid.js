// Owns the grid of topics and channels: what is wanted where, and which channels are used at all.
import { CHANNELS, TOPICS } from "../topics.js";
import { Switch, errorAt } from "./choices.js";
import { html } from "./html.js";
import { Icon } from "./icons.js";

function Head({ document, set }) {
  return html`<thead><tr><th scope="col"><span class="visually-hidden">Topic</span></th>
    ${Object.entries(CHANNELS).map(([channel, label]) => html`<th key=${channel} scope="col">
      <span class="grid-channel">${label}</span>
      <${Switch} label="Use ${label}" hideLabel checked=${document.channels[channel].enabled}
        change=${(on) => set(["channels", channel, "enabled"], on)} /></th>`)}
  </tr></thead>`;
}

function Cell({ document, set, topic, channel, label }) {
  const { name, urgent } = TOPICS[topic];
  // The hub sends nothing else by SMS, whatever is ticked.
  if (channel === "sms" && !urgent) {
    return html`<td><span class="muted" aria-hidden="true">–</span>
      <span class="visually-hidden">never by SMS</span></td>`;
  }
  return html`<td><label class="tick"><input type="checkbox" aria-label="${name} by ${label}"
    checked=${document.topics[topic][channel]} disabled=${!document.channels[channel].enabled}
    onChange=${({ target }) => set(["topics", topic, channel], target.checked)} /></label></td>`;
}

export function PreferenceGrid({ document, set, errors }) {
  const wrong = errorAt(errors, "topics") ?? errorAt(errors, "channels");
  return html`<section class="card part" aria-labelledby="part-grid">
    <h2 id="part-grid">What reaches you where</h2>
    <p class="muted small">The switches turn a whole channel off. Only what is urgent comes by SMS; milestones and
      announcements come with the digest.</p>
    <div class="grid-scroll"><table class="grid">
      <caption class="visually-hidden">Topics and channels</caption>
      <${Head} document=${document} set=${set} />
      <tbody>${Object.entries(TOPICS).map(([topic, { name, icon, tone }]) => html`<tr key=${topic}>
        <th scope="row"><span class="grid-topic tone-${tone}">
          <span class="badge badge-small"><${Icon} name=${icon} size=${14} /></span>${name}</span></th>
        ${Object.entries(CHANNELS).map(([channel, label]) => html`<${Cell} key=${channel} document=${document}
          set=${set} topic=${topic} channel=${channel} label=${label} />`)}</tr>`)}</tbody>
    </table></div>
    ${wrong && html`<p class="field-error">${wrong}</p>`}
  </section>`;
}
