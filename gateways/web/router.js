// Owns the address bar: which page is shown and what the page's address says.
import { signal } from "@preact/signals";

const ROUTES = [
  { page: "feed", pattern: /^\/$/ },
  { page: "sign-in", pattern: /^\/sign-in$/ },
  { page: "events", pattern: /^\/events(?:\/(?<id>[^/]+))?$/ },
  { page: "profile", pattern: /^\/profile$/ },
  { page: "notifications", pattern: /^\/notifications$/ },
  { page: "history", pattern: /^\/history$/ },
  { page: "preferences", pattern: /^\/preferences$/ },
  { page: "endpoints", pattern: /^\/endpoints$/ },
  { page: "deliveries", pattern: /^\/deliveries$/ },
  { page: "outbox", pattern: /^\/outbox$/ },
];

export const route = signal(match());

function match() {
  for (const { page, pattern } of ROUTES) {
    const found = pattern.exec(location.pathname);
    if (found) return { page, id: found.groups?.id, query: Object.fromEntries(new URLSearchParams(location.search)) };
  }
  return { page: "unknown", query: {} };
}

const address = () => location.pathname + location.search;
let here = address();
let mayLeave = () => true;

// A page that holds what was not saved is asked before another takes its place; answers how to stop that.
export function guard(question) {
  mayLeave = question;
  return () => {
    if (mayLeave === question) mayLeave = () => true;
  };
}

export function go(path, { replace = false } = {}) {
  if (path === address() || !mayLeave()) return;
  history[replace ? "replaceState" : "pushState"](null, "", path);
  arrive();
}

function arrive() {
  here = address();
  route.value = match();
}

function ours(click) {
  const link = click.target.closest?.("a[href]");
  const plain = click.button === 0 && !click.metaKey && !click.ctrlKey && !click.shiftKey && !click.altKey;
  const stays = link && !link.target && !link.hasAttribute("download") && link.origin === location.origin;
  return plain && stays && !click.defaultPrevented && ROUTES.some(({ pattern }) => pattern.test(link.pathname))
    ? link
    : null;
}

export function start() {
  window.addEventListener("popstate", () => {
    if (address() === here || mayLeave()) arrive();
    else history.pushState(null, "", here);
  });
  document.addEventListener("click", (click) => {
    const link = ours(click);
    if (!link || link.hash) return;
    click.preventDefault();
    go(link.pathname + link.search);
  });
}
