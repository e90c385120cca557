// Owns the page /docs/templates: every topic as a channel shows it, in a language, for admins.
import { load, tab } from "./storage.js";

const SESSION = "hub.session"; // what the hub's own pages keep of who is signed in, in this tab
const NAMES = { in_app: "In-app", push: "Push", sms: "SMS", email: "E-mail", telegram: "Telegram" };
const EVERY = "";
const NOT_ADMIN = "Only admins see the templates: give the token of one.";

const [signIn, choices, said, previews] = ["sign-in", "choices", "said", "previews"].map((id) => document.getElementById(id));
let token = load(tab, SESSION, null);
let found = null;

function h(name, properties, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

function wanted() {
  const query = new URLSearchParams(location.search);
  return { channel: query.get("channel") ?? "email", locale: query.get("locale") ?? "en", topic: query.get("topic") ?? EVERY };
}

// The address says what is shown, so that it can be sent to somebody and comes back with a reload.
function choose() {
  const chosen = new URLSearchParams(new FormData(choices));
  if (!chosen.get("topic")) chosen.delete("topic");
  history.replaceState(null, "", `?${chosen}`);
  show();
}

async function fetched({ channel, locale }) {
  const query = new URLSearchParams({ channel, locale });
  const answer = await fetch(`/v1/templates?${query}`, { headers: { Authorization: `Bearer ${token}` } });
  if (answer.ok) return answer.json();
  const problem = await answer.json().catch(() => ({}));
  if (answer.status !== 401 && answer.status !== 403) throw new Error(problem.detail ?? `The hub answered ${answer.status}.`);
  token = null;
  return null;
}

function ask(why) {
  signIn.hidden = false;
  choices.hidden = true;
  previews.replaceChildren();
  said.textContent = why;
}

async function show() {
  if (!token) return ask(NOT_ADMIN);
  const asked = wanted();
  try {
    found = await fetched(asked);
    if (!found) return ask(NOT_ADMIN);
    fill(asked);
    if (signIn.contains(document.activeElement)) choices.elements.channel.focus();
    signIn.hidden = true;
  } catch (error) {
    previews.replaceChildren();
    said.textContent = `The templates cannot be shown. ${error.message}`;
  }
}

function options(name, all, chosen) {
  choices.elements[name].replaceChildren(...all.map(([value, label]) => h("option", { value, selected: value === chosen }, label)));
}

function language(locale) {
  return new Intl.DisplayNames(["en"], { type: "language" }).of(locale);
}

function fill({ topic }) {
  choices.hidden = false;
  const topics = [...new Set(found.items.map((one) => one.topic))];
  options("channel", found.channels.map((one) => [one, NAMES[one] ?? one]), found.channel);
  options("locale", found.locales.map((one) => [one, language(one)]), found.locale);
  options("topic", [[EVERY, "All"], ...topics.map((one) => [one, one])], topic);
  const shown = found.items.filter((one) => !topics.includes(topic) || one.topic === topic);
  said.textContent = `${shown.length} ${shown.length === 1 ? "preview" : "previews"}: ${NAMES[found.channel] ?? found.channel}, ${language(found.locale)}.`;
  previews.replaceChildren(...shown.map(preview));
}

// A mail is shown as its readers see it, in a frame where nothing runs and no link leads anywhere.
function mail({ topic, written }) {
  const frame = h("iframe", { title: `Mail: ${written.title}`, loading: "lazy", className: topic });
  frame.setAttribute("sandbox", "");
  frame.referrerPolicy = "no-referrer";
  frame.srcdoc = `<base target="_blank">${written.html}`;
  const headers = Object.entries(written.headers).map(([name, value]) => `${name}: ${value}\n`);
  return [
    frame,
    h("details", {}, h("summary", {}, "Plain text and headers"), h("pre", { tabIndex: 0 }, ...headers, headers.length ? "\n" : null, written.text)),
  ];
}

// Where the text says the title itself, there is no line apart for it.
function titled({ title, text, html }) {
  return !html && text.startsWith(title) ? null : h("p", { className: "title", lang: found.locale }, title);
}

function message({ written }) {
  return [
    written.text ? h("p", { className: "text", lang: found.locale }, written.text) : null,
    written.url ? h("p", { className: "where" }, "→ ", written.url) : null,
  ];
}

function preview(one) {
  const { name, topic, written, why } = one;
  return h("article", { className: "preview" },
    h("h2", {}, h("code", {}, name), h("small", {}, topic)),
    written ? [titled(written), written.html ? mail(one) : message(one)]
      : h("p", { className: "where" }, `Not on this channel: ${why}.`));
}

signIn.addEventListener("submit", (event) => {
  event.preventDefault();
  token = new FormData(signIn).get("token").trim();
  signIn.reset();
  show();
});
choices.addEventListener("change", choose);
choices.addEventListener("submit", (event) => event.preventDefault());
show();
