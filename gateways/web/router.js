// Owns the address bar: which page is shown and what the page's address says.
import { signal } from "@preact/signals";

const ROUTES = [
  { page: "feed", pattern: /^\/$/ },
  { page: "sign-in", pattern: /^\/sign-in$/ },
  { page: "events", pattern: /^\/events(?:\/(?<id>[^/]+))?$/ },
  { page: "profile", pattern: /^\/profile$/ },
];

export const route = signal(match());

function match() {
  for (const { page, pattern } of ROUTES) {
    const found = pattern.exec(location.pathname);
    if (found) return { page, id: found.groups?.id, query: Object.fromEntries(new URLSearchParams(location.search)) };
  }
  return { page: "unknown", query: {} };
}

export function go(path, { replace = false } = {}) {
  if (path === location.pathname + location.search) return;
  history[replace ? "replaceState" : "pushState"](null, "", path);
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
    route.value = match();
  });
  document.addEventListener("click", (click) => {
    const link = ours(click);
    if (!link || link.hash) return;
    click.preventDefault();
    go(link.pathname + link.search);
  });
}
