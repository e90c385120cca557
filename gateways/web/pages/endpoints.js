// Owns the page of the addresses and devices at which a person can be reached.
import { useEffect, useRef, useState } from "preact/hooks";
import { get } from "../api.js";
import { useEndpoints } from "../endpoints.js";
import { CHANNELS } from "../topics.js";
import { Spinner } from "../ui/bits.js";
import { Add, ConnectTelegram } from "../ui/endpoint-add.js";
import { EndpointRow } from "../ui/endpoint-row.js";
import { html } from "../ui/html.js";
import { PagesFailed } from "../ui/pages-end.js";

const PARTS = {
  email: { name: "E-mail", none: "No mail address yet. A link is sent to the one you add." },
  sms: { name: "Phone", none: "No phone number yet. A code is sent to the one you add." },
  telegram: { name: "Telegram", none: "No chat is connected yet." },
  push: { name: "Devices", none: "No device yet: the app adds the one it runs on when you allow notifications there." },
};
const UNSENT = {
  email: "This hub sends no mails yet.",
  sms: "This hub sends no SMS yet.",
  telegram: "This hub has no Telegram bot yet.",
  push: "This hub sends nothing to devices yet.",
};
// What waits for something to be done stands first, what is over last.
const ORDER = ["pending", "active", "retired"];

function More({ channel, items, list, added }) {
  if (!list.channels.includes(channel)) return html`<p class="muted small">${UNSENT[channel]}</p>`;
  if (channel === "telegram") {
    const chats = items.filter(({ state }) => state === "active").length;
    return html`<${ConnectTelegram} chats=${chats} skew=${list.skew} setAwaited=${list.setAwaited} />`;
  }
  if (channel !== "push") return html`<${Add} channel=${channel} skew=${list.skew} added=${added} />`;
  return html`<details class="by-hand"><summary>Add a device by its token</summary>
    <${Add} channel="push" skew=${list.skew} added=${added} /></details>`;
}

// Without the preferences there is no hint; the addresses are what the page is for.
function useChannels() {
  const [channels, setChannels] = useState({});
  useEffect(() => {
    get("/v1/me/preferences").then(({ channels: found }) => setChannels(found), () => {});
  }, []);
  return channels;
}

function Part({ channel, list, used }) {
  const heading = useRef(null);
  const [fresh, setFresh] = useState(null);
  const { name, none } = PARTS[channel];
  const items = list.items
    .filter((one) => one.channel === channel)
    .sort((one, other) => ORDER.indexOf(one.state) - ORDER.indexOf(other.state));
  const added = ({ id }) => {
    setFresh(id);
    list.reload();
  };
  const gone = () => {
    list.reload();
    heading.current.focus();
  };
  return html`<section class="card part" aria-labelledby="part-${channel}">
    <h2 id="part-${channel}" ref=${heading} tabindex="-1">${name}</h2>
    ${items.length === 0 && html`<p class="muted">${none}</p>`}
    ${!used && items.some(({ state }) => state === "active") && html`<p class="note small">${CHANNELS[channel]} is switched
      off in your${" "}<a href="/preferences">preferences</a>: notifications are not sent there.</p>`}
    ${items.length > 0 && html`<ul class="endpoints">${items.map((one) => html`
      <${EndpointRow} key=${one.id} endpoint=${one} used=${used} fresh=${one.id === fresh}
        skew=${list.skew} offered=${list.channels.includes(channel)} reload=${list.reload} gone=${gone} />`)}</ul>`}
    <${More} channel=${channel} items=${items} list=${list} added=${added} />
  </section>`;
}

export function EndpointsPage() {
  const list = useEndpoints();
  const channels = useChannels();
  useEffect(() => {
    document.title = "Where you can be reached · Hub";
  }, []);
  const failed = list.problem && !list.items.length;
  return html`<section class="column column-wide">
    <header class="page-head"><div class="grow"><h1>Where you can be reached</h1>
      <p class="muted">Your addresses and devices. Changes here count at once; what is sent there you choose in
        your${" "}<a href="/preferences">preferences</a>.</p></div></header>
    ${failed && html`<${PagesFailed} list=${list} what="Your addresses" />`}
    ${!failed && list.loading && html`<p class="loading"><${Spinner} /></p>`}
    ${!failed && !list.loading && html`<div class="parts">${Object.keys(PARTS).map((channel) => html`
      <${Part} key=${channel} channel=${channel} list=${list} used=${channels[channel]?.enabled ?? true} />`)}</div>`}
  </section>`;
}
