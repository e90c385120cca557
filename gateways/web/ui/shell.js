// Owns the frame around every page: navigation, connection, colours, the person's menu.
import { route } from "../router.js";
import { end, isAdmin, session } from "../session.js";
import { development } from "../site.js";
import { stopped } from "../socket.js";
import { next, theme } from "../theme-choice.js";
import { Avatar, useDisclosure } from "./bits.js";
import { Bell } from "./bell.js";
import { Connection } from "./connection.js";
import { Handover } from "./handover.js";
import { Help, helpShown } from "./help.js";
import { html } from "./html.js";
import { Icon, Mark } from "./icons.js";
import { Toasts } from "./toasts.js";

const THEMES = {
  system: ["system", "Colours: as the system"],
  light: ["sun", "Colours: light"],
  dark: ["moon", "Colours: dark"],
};

function ThemeButton() {
  const [icon, label] = THEMES[theme.value];
  return html`<button type="button" class="icon-button" aria-label="${label}. Change" title=${label} onClick=${next}>
    <${Icon} name=${icon} /></button>`;
}

function Link({ page, href, icon, children }) {
  const here = route.value.page === page;
  return html`<a class="nav-link" href=${href} aria-current=${here ? "page" : undefined}>
    <${Icon} name=${icon} /><span>${children}</span></a>`;
}

function Navigation() {
  return html`<nav class="nav" aria-label="Main">
    <${Link} page="feed" href="/" icon="feed">Feed<//>
    ${isAdmin.value && html`<${Link} page="events" href="/events" icon="events">Events<//>
      <${Link} page="deliveries" href="/deliveries" icon="deliveries">Deliveries<//>`}
    <a class="nav-link" href="/docs"><${Icon} name="docs" /><span>Docs</span></a>
  </nav>`;
}

function MenuPanel({ close }) {
  const { user, name, scopes } = session.value;
  const help = () => {
    close();
    helpShown.value = true;
  };
  return html`<div class="panel menu-panel" id="menu-panel">
    <div class="menu-person"><${Avatar} name=${user} />
      <div class="grow"><strong class="clip">${name}</strong>
        <span class="muted small clip">${user} · ${scopes.join(", ") || "user"}</span></div></div>
    <a class="menu-item" href="/profile" onClick=${close}><${Icon} name="user" />Profile</a>
    <a class="menu-item" href="/preferences" onClick=${close}><${Icon} name="settings" />Preferences</a>
    <a class="menu-item" href="/endpoints" onClick=${close}><${Icon} name="unread" />Addresses and devices</a>
    <a class="menu-item" href="/history" onClick=${close}><${Icon} name="history" />What reached me</a>
    ${development && html`
      <a class="menu-item" href="/outbox" onClick=${close}><${Icon} name="outbox" />Outbox</a>`}
    <button type="button" class="menu-item" onClick=${help}><${Icon} name="keyboard" />Keyboard shortcuts</button>
    <button type="button" class="menu-item" onClick=${() => end()}><${Icon} name="out" />Sign out</button>
  </div>`;
}

function Menu() {
  const { open, root, toggle, close } = useDisclosure();
  const { user, name } = session.value;
  return html`<div class="menu" ref=${root}>
    <button type="button" class="menu-button" aria-expanded=${open} aria-controls="menu-panel"
      aria-label="Your menu, ${name}" onClick=${toggle}><${Avatar} name=${user} size="s" /></button>
    ${open && html`<${MenuPanel} close=${close} />`}
  </div>`;
}

function Header() {
  return html`<header class="bar"><div class="bar-inner">
    <a class="brand" href="/" aria-label="Hub, to the feed"><${Mark} /><span>Hub</span></a>
    ${session.value ? html`<${Navigation} />` : html`<span class="grow"></span>`}
    <div class="bar-end">
      ${session.value && html`<${Connection} /><${Bell} />`}
      <${ThemeButton} />
      ${session.value && html`<${Menu} />`}
    </div>
  </div></header>`;
}

export function Shell({ children }) {
  return html`
    <a class="skip-link" href="#main" onClick=${skip}>Skip to the content</a>
    <${Header} />
    ${stopped.value && html`<div class="banner" role="alert"><${Icon} name="warn" />
      <p>${stopped.value}</p></div>`}
    <main id="main" tabindex="-1">${children}</main>
    <${Toasts} />
    <${Help} />
    <${Handover} />`;
}

// By script: the address keeps no #main, which a reload would jump to.
function skip(click) {
  click.preventDefault();
  document.getElementById("main").focus();
}
