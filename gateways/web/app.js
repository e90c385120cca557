// Owns the start: who is signed in decides which page is shown, and each page brings its own title and shortcuts.
import { computed, effect, untracked } from "@preact/signals";
import { render } from "preact";
import { useEffect } from "preact/hooks";
import * as live from "./live.js";
import { DeliveriesPage } from "./pages/deliveries.js";
import { EndpointsPage } from "./pages/endpoints.js";
import { EventsPage } from "./pages/events.js";
import { FeedPage } from "./pages/feed.js";
import { HistoryPage } from "./pages/history.js";
import { NotificationsPage } from "./pages/notifications.js";
import { OutboxPage } from "./pages/outbox.js";
import { PreferencesPage } from "./pages/preferences.js";
import { ProfilePage } from "./pages/profile.js";
import { SignInPage } from "./pages/sign-in.js";
import { go, route, start as startRouter } from "./router.js";
import { isAdmin, session, start as startSession } from "./session.js";
import { bind, start as startShortcuts } from "./shortcuts.js";
import { development } from "./site.js";
import { html } from "./ui/html.js";
import { helpShown } from "./ui/help.js";
import { Shell } from "./ui/shell.js";
import { dismissAll } from "./ui/toasts.js";

const PAGES = {
  feed: FeedPage,
  events: EventsPage,
  deliveries: DeliveriesPage,
  notifications: NotificationsPage,
  history: HistoryPage,
  preferences: PreferencesPage,
  endpoints: EndpointsPage,
  outbox: OutboxPage,
  profile: ProfilePage,
};
const FOR_ADMINS = { events: "The event log is for admins.", deliveries: "The deliveries are for admins." };

function Unknown({ children = "There is nothing at this address." }) {
  return html`<section class="column empty"><h1>Not here</h1><p class="muted">${children}</p>
    <p><a class="button" href="/">To the feed</a></p></section>`;
}

function page() {
  const { page: name } = route.value;
  if (!session.value) return html`<${SignInPage} />`;
  if (name in FOR_ADMINS && !isAdmin.value) return html`<${Unknown}>${FOR_ADMINS[name]}<//>`;
  if (name === "outbox" && !development) return html`<${Unknown} />`;
  return html`<${PAGES[name] ?? Unknown} key="${name} ${session.value.user}" />`;
}

function App() {
  const name = route.value.page;
  // A new page is announced by its heading; on the very first load the focus stays where it belongs.
  useEffect(() => {
    if (App.shownBefore) document.getElementById("main").focus({ preventScroll: true });
    App.shownBefore = true;
    window.scrollTo(0, 0);
  }, [name, Boolean(session.value)]);
  return html`<${Shell}>${page()}<//>`;
}

function shortcuts() {
  bind("g f", () => session.value && go("/"));
  bind("g p", () => session.value && go("/profile"));
  bind("g n", () => session.value && go("/notifications"));
  bind("g s", () => session.value && go("/preferences"));
  bind("g a", () => session.value && go("/endpoints"));
  bind("g e", () => isAdmin.value && go("/events"));
  bind("g d", () => isAdmin.value && go("/deliveries"));
  bind("?", () => {
    helpShown.value = true;
  });
  bind("Escape", (press) => dismissAll() || press.target.blur?.());
  startShortcuts();
}

startSession();
startRouter();
shortcuts();
effect(() => {
  if (session.value && route.value.page === "sign-in") go("/", { replace: true });
});
let stopLive;
const user = computed(() => session.value?.user);
effect(() => {
  const someone = user.value !== undefined;
  // What the live connection reads while it starts is no reason to start it again.
  untracked(() => {
    stopLive?.();
    stopLive = someone ? live.start() : undefined;
  });
});
render(html`<${App} />`, document.getElementById("app"));
