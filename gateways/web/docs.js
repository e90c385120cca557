// Owns the page /docs: an overview, Swagger UI for the HTTP interface, and our own reading of the AsyncAPI document.

const SWAGGER = "/vendor/swagger-ui-dist/swagger-ui";
const parts = Object.fromEntries(
  ["overview", "http", "events"].map((name) => [name, document.getElementById(`${name}-part`)]),
);
// Swagger UI is large: it is fetched by who wants to see it.
const FILL = { http: loadSwagger, events };
const filled = new Set();

function show() {
  const [wanted] = location.hash.slice(1).split("/");
  const part = wanted in parts ? wanted : "overview";
  for (const [name, section] of Object.entries(parts)) section.hidden = name !== part;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${part}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (!filled.has(part)) FILL[part]?.();
  filled.add(part);
  document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

function loadSwagger() {
  const script = h("script", { src: `${SWAGGER}-bundle.js`, onload: swagger });
  script.onerror = () => {
    filled.delete("http");
    document.querySelector("#swagger").replaceChildren(h("p", { role: "alert" }, "Swagger UI cannot be loaded."));
  };
  document.head.append(h("link", { rel: "stylesheet", href: `${SWAGGER}.css` }), script);
}

function swagger() {
  const dark = getComputedStyle(document.documentElement).colorScheme === "dark" ||
    (document.documentElement.dataset.theme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.classList.toggle("dark-mode", dark);
  window.SwaggerUIBundle({
    url: "/v1/openapi.json",
    dom_id: "#swagger",
    deepLinking: false,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    validatorUrl: null,
    withCredentials: false,
  });
}

// An element with properties and children; texts stay texts, whatever is in them.
function h(name, properties, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

// The little Markdown our descriptions use: lines that begin with "* ", and `code`.
function inline(text) {
  return text.split(/(`[^`]*`)/).map((piece) =>
    piece.startsWith("`") && piece.length > 1 ? h("code", {}, piece.slice(1, -1)) : piece);
}

function prose(text) {
  const lines = String(text ?? "").split("\n").filter((line) => line.trim());
  const items = lines.filter((line) => line.startsWith("* ")).map((line) => h("li", {}, inline(line.slice(2))));
  const words = lines.filter((line) => !line.startsWith("* ")).map((line) => h("p", {}, inline(line)));
  return items.length ? [...words, h("ul", {}, items)] : words;
}

function typeOf(schema) {
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(" | ");
  if (schema.anyOf || schema.oneOf) return (schema.anyOf ?? schema.oneOf).map(typeOf).join(" | ");
  if (schema.type === "array") return `[${typeOf(schema.items ?? {})}]`;
  return schema.format ? `${schema.type} (${schema.format})` : schema.type ?? "any";
}

function rows(schema, prefix = "") {
  return Object.entries(schema.properties ?? {}).flatMap(([name, member]) => [
    h("tr", {},
      h("td", {}, h("code", {}, prefix + name)),
      h("td", {}, typeOf(member)),
      h("td", {}, schema.required?.includes(name) ? "required" : ""),
      h("td", {}, inline(member.description ?? ""))),
    ...rows(member, `${prefix}${name}.`),
  ]);
}

function table(schema) {
  const found = rows(schema);
  if (!found.length) return h("p", {}, "No members.");
  const heads = ["Member", "Type", "", "Meaning"].map((head) => h("th", { scope: "col" }, head));
  return h("div", { className: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, heads)), h("tbody", {}, found)));
}

function payload(schema) {
  const options = schema.oneOf ?? [schema];
  return options.flatMap((option, index) => [index ? h("p", { className: "or" }, "or") : null, table(option)]);
}

const last = (reference) => reference.$ref.split("/").at(-1);

function message(document_, channel, reference) {
  const key = last(document_.channels[channel].messages[last(reference)]);
  const found = document_.components.messages[key];
  return h("details", { className: "message" },
    h("summary", {}, h("code", {}, found.name), " ", h("span", {}, found.summary ?? "")),
    payload(found.payload));
}

function operation(document_, name, { action, channel, summary, messages, reply }) {
  const key = last(channel);
  const direction = action === "send" ? "hub → client" : "client → hub";
  return h("section", { className: "operation" },
    h("h3", {}, h("span", { className: `direction ${action}` }, direction), " ", summary ?? name),
    messages.map((one) => message(document_, key, one)),
    reply ? [h("p", {}, "Answered with"), reply.messages.map((one) => message(document_, key, one))] : null);
}

function channel(document_, key, { address, title, description, servers }) {
  const operations = Object.entries(document_.operations).filter(([, one]) => last(one.channel) === key);
  const where = servers.map((one) => document_.servers[last(one)])
    .map(({ protocol, host, pathname }) => `${protocol}://${host}${pathname === "/" ? address : pathname}`);
  return h("article", { id: `events/${key}` },
    h("h2", {}, title, ...(title.endsWith(address) ? [] : [" ", h("code", {}, address)])),
    h("p", { className: "where" }, where.map((one) => h("code", {}, one))),
    prose(description),
    operations.map(([name, one]) => operation(document_, name, one)));
}

async function events() {
  try {
    const response = await fetch("/v1/asyncapi.json");
    if (!response.ok) throw new Error(`The hub answered ${response.status}.`);
    const found = await response.json();
    const channels = Object.entries(found.channels);
    parts.events.replaceChildren(
      ...prose(found.info.description),
      h("ul", { className: "contents" }, channels.map(([key, { title }]) =>
        h("li", {}, h("a", { href: `#events/${key}` }, title)))),
      ...channels.map(([key, one]) => channel(found, key, one)));
    document.getElementById(location.hash.slice(1))?.scrollIntoView();
  } catch (error) {
    parts.events.replaceChildren(h("p", { role: "alert" }, `The document cannot be shown. ${error.message}`));
  }
}

window.addEventListener("hashchange", show);
show();
