// Owns the feed page: the cards as they come in, without ever moving what is being read.
import { useEffect, useRef, useState } from "preact/hooks";
import { cards, holdWhile, release, waiting } from "../feed.js";
import { count } from "../format.js";
import { isAdmin } from "../session.js";
import { bind } from "../shortcuts.js";
import { development } from "../site.js";
import { mayPublish, stopped } from "../socket.js";
import { Aside, Command } from "../ui/aside.js";
import { Composer } from "../ui/composer.js";
import { EventCard, GapCard } from "../ui/event-card.js";
import { html } from "../ui/html.js";
import { Icon } from "../ui/icons.js";
import { PostCard } from "../ui/post-card.js";
import { ZoneFilter } from "../ui/zone-filter.js";
import { passes, selectAll, selected } from "../zones.js";

const NEAR_TOP = 120;
const ANNOUNCE_AFTER = 1_500;

const writing = (list) => list?.contains(document.activeElement) && document.activeElement.matches("input, textarea");

// While somebody reads further down or writes in a card, what arrives waits behind a button.
function useHold(list) {
  useEffect(() => {
    const busy = () => window.scrollY > NEAR_TOP || writing(list.current);
    const settle = () => busy() || release();
    const later = () => setTimeout(settle, 150);
    holdWhile(busy);
    window.addEventListener("scroll", settle, { passive: true });
    document.addEventListener("focusout", later);
    settle();
    return () => {
      holdWhile(() => false);
      window.removeEventListener("scroll", settle);
      document.removeEventListener("focusout", later);
    };
  }, []);
}

function step(by) {
  const all = [...document.querySelectorAll("[data-card]")];
  const here = all.indexOf(document.activeElement?.closest("[data-card]"));
  const next = all[here === -1 && by < 0 ? -1 : here + by];
  next?.focus({ preventScroll: true });
  next?.scrollIntoView({ block: "center" });
}

// Gathered, because a busy feed read out card by card would drown everything else.
function Announcer({ shown }) {
  const [text, setText] = useState("");
  const last = useRef(shown[0]?.key);
  useEffect(() => {
    const timer = setTimeout(() => {
      const fresh = shown.findIndex(({ key }) => key === last.current);
      const number = fresh === -1 ? shown.length : fresh;
      last.current = shown[0]?.key;
      if (number) setText(`${count(number, "new item")} in the feed.`);
    }, ANNOUNCE_AFTER);
    return () => clearTimeout(timer);
  }, [shown[0]?.key]);
  return html`<p class="visually-hidden" role="status">${text}</p>`;
}

function NewPill({ number }) {
  const show = () => {
    release();
    window.scrollTo({ top: 0, behavior: "smooth" });
  };
  return html`<div class="pill-place" role="status">${number > 0 && html`
    <button type="button" class="pill" onClick=${show}><${Icon} name="up" size=${16} />${number} new</button>`}
  </div>`;
}

// Only admins may read the log; for everyone else the feed begins when it is opened.
const EMPTY = {
  title: () => (isAdmin.value ? "Nothing has happened yet" : "Nothing has happened since you came"),
  text: () =>
    isAdmin.value
      ? "This page is live: events appear the moment they are published."
      : `The feed is live: it shows what happens while it is open, and nothing from before.
        Leave it open and new posts appear by themselves; a reload of this tab keeps them.`,
};

function Empty() {
  const zones = selected.value.join(", ");
  return html`<section class="empty card"><span class="empty-sign"><${Icon} name="live" size=${28} /></span>
    <h2>${zones ? `Nothing in ${zones} yet` : EMPTY.title()}</h2>
    <p class="muted">${zones ? "You see it here as soon as somebody publishes there." : EMPTY.text()}
      ${mayPublish.value && " Be the first: write something above."}</p>
    ${zones && cards.value.length > 0 && html`
      <p><button type="button" class="button" onClick=${selectAll}>Show all zones</button></p>`}
    ${development && !stopped.value && html`<p class="muted">Or copy this command into a terminal:</p><${Command} />`}</section>`;
}

function Card({ card }) {
  if (card.gap) return html`<${GapCard} gap=${card.gap} />`;
  const Kind = card.event.type === "content.created" && !card.personal ? PostCard : EventCard;
  return html`<${Kind} card=${card} />`;
}

export function FeedPage() {
  const list = useRef(null);
  useHold(list);
  useEffect(() => {
    document.title = "Feed · Hub";
  }, []);
  useEffect(() => {
    const unbind = [bind("j", () => step(1)), bind("k", () => step(-1))];
    return () => unbind.forEach((undo) => undo());
  }, []);
  const shown = cards.value.filter(passes.value);
  return html`<div class="with-side">
    <section class="stream" aria-label="Feed">
      <h1 class="visually-hidden">Feed</h1>
      ${mayPublish.value && html`<${Composer} />`}
      <${ZoneFilter} />
      <div><${NewPill} number=${waiting.value.filter((card) => !card.gap && passes.value(card)).length} />
        <ol class="cards" ref=${list}>
          ${shown.map((card) => html`<li key=${card.key} class="arriving"><${Card} card=${card} /></li>`)}
        </ol>
        ${!shown.length && html`<${Empty} />`}</div>
      <${Announcer} shown=${shown.filter(({ gap }) => !gap)} />
    </section>
    <${Aside} />
  </div>`;
}
