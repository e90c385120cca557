// Owns the drawn signs: 20 units wide, one stroke, the colour of the text around them.
import { html } from "./html.js";

const SHAPES = {
  bell: "M10 3.2a4.6 4.6 0 0 0-4.6 4.6c0 4.4-1.9 5.9-1.9 5.9h13s-1.9-1.5-1.9-5.9A4.6 4.6 0 0 0 10 3.2M8.4 16.4a1.8 1.8 0 0 0 3.2 0",
  archive: "M3 4h14v3.5H3zM4.2 7.5v9h11.6v-9M8 10.5h4",
  read: "M3.5 8 10 3.5 16.5 8v8.5h-13zM3.8 8.2 10 12l6.2-3.8",
  unread: "M3 5h14v10.5H3zM3.2 5.3 10 10.5l6.8-5.2",
  history: "M3.8 8A6.6 6.6 0 1 1 3.5 11M3.5 4.5V8H7M10 6.5V10l2.5 2",
  settings: "M4 6h6M14 6h2M12 8a2 2 0 1 0 0-4 2 2 0 0 0 0 4M4 14h2M10 14h6M8 16a2 2 0 1 0 0-4 2 2 0 0 0 0 4",
  deliveries: "M3 10 17 3.5 12.5 17l-3-5.5zM9.5 11.5 17 3.5",
  outbox: "M3 11v5.5h14V11M3 11l2.5-7h9L17 11h-4.5a2.5 2.5 0 0 1-5 0z",
  feed: "M3 5h14M3 10h14M3 15h9",
  events: "M3 10h3l2.5-6 3.5 12 2.5-6H17",
  docs: "M4 3.5h8l4 4v9H4zM12 3.5v4h4M7 11h6M7 14h4",
  user: "M10 10a3.25 3.25 0 1 0 0-6.5A3.25 3.25 0 0 0 10 10M3.5 17c.6-3 3.2-4.5 6.5-4.5s5.9 1.5 6.5 4.5",
  out: "M8 3.5H4v13h4M12.5 6.5 16 10l-3.5 3.5M16 10H8",
  like: "M10 16.5S3.5 12.8 3.5 8.2A3.6 3.6 0 0 1 10 6.1a3.6 3.6 0 0 1 6.5 2.1c0 4.6-6.5 8.3-6.5 8.3z",
  comment: "M4 4.5h12a1 1 0 0 1 1 1v7.5a1 1 0 0 1-1 1h-6l-3.5 3v-3H4a1 1 0 0 1-1-1V5.5a1 1 0 0 1 1-1z",
  tip: "M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14M10 6v4l2.5 2",
  share: "M4 11v5.5h12V11M10 12.5v-9M6.7 6.6 10 3.3l3.3 3.3",
  live: "M10 10h.01M6.8 13.2a4.5 4.5 0 0 1 0-6.4M13.2 6.8a4.5 4.5 0 0 1 0 6.4M4.3 15.7a8 8 0 0 1 0-11.4M15.7 4.3a8 8 0 0 1 0 11.4",
  vote: "M3.5 16.5h13M5 16.5v-5M10 16.5v-12M15 16.5v-8",
  announce: "M4 8.5v3l9 3.5V5zM13 8h1.5a2 2 0 0 1 0 4H13M6.5 12.5V16",
  person: "M8 10a3 3 0 1 0 0-6 3 3 0 0 0 0 6M2.5 16.5c.5-2.7 2.7-4 5.5-4s5 1.3 5.5 4M15.5 7v5M13 9.5h5",
  trophy:
    "M6.5 3.5h7v5a3.5 3.5 0 0 1-7 0zM6.5 5H4v1.5A2.5 2.5 0 0 0 6.5 9M13.5 5H16v1.5A2.5 2.5 0 0 1 13.5 9M10 12v4.5M7 16.5h6",
  bag: "M4.5 7h11l.7 9.5H3.8zM7.5 9V6a2.5 2.5 0 0 1 5 0v3",
  phone: "M6 2.5h8v15H6zM9 15h2",
  pen: "M4 16l.8-3.4L13.5 4 16 6.5l-8.6 8.7zM11.8 5.7l2.5 2.5",
  dot: "M10 10h.01",
  plus: "M10 4.5v11M4.5 10h11",
  close: "M5 5l10 10M15 5 5 15",
  check: "M4.5 10.5 8.5 14.5 15.5 6",
  copy: "M7.5 7.5h8v9h-8zM12.5 7.5v-4h-8v9h3",
  up: "M10 16V4.5M5 9.5l5-5 5 5",
  back: "M12.5 4.5 7 10l5.5 5.5",
  trace: "M5 4.5h.01M5 10h.01M5 15.5h.01M9 4.5h7M9 10h7M9 15.5h4",
  sun: "M10 13.2a3.2 3.2 0 1 0 0-6.4 3.2 3.2 0 0 0 0 6.4M10 2.5v1.2M10 16.3v1.2M2.5 10h1.2M16.3 10h1.2M4.7 4.7l.85.85M14.45 14.45l.85.85M4.7 15.3l.85-.85M14.45 5.55l.85-.85",
  moon: "M16.5 11.7A6.8 6.8 0 1 1 8.3 3.5a5.4 5.4 0 0 0 8.2 8.2z",
  system: "M3 4.5h14v9H3zM7.5 16.5h5M10 13.5v3",
  keyboard: "M2.5 5.5h15v9h-15zM5.5 8.5h.01M8.5 8.5h.01M11.5 8.5h.01M14.5 8.5h.01M6.5 11.5h7",
  post: "M4 5h12M4 9h12M4 13h7",
  video: "M3 5.5h10v9H3zM13 9l4-2.5v7L13 11",
  article: "M4.5 3.5h11v13h-11zM7 7h6M7 10h6M7 13h3",
  short: "M6 3h8v14H6zM9 8l3 2-3 2z",
  warn: "M10 3.5 17.5 16.5h-15zM10 8.5v3.5M10 14.3h.01",
};

export function Icon({ name, size = 20, fill = false }) {
  return html`<svg width=${size} height=${size} viewBox="0 0 20 20" fill=${fill ? "currentColor" : "none"}
    stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">
    <path d=${SHAPES[name] ?? SHAPES.dot} /></svg>`;
}

export const Mark = ({ size = 30 }) => html`<img src="/web/icon.svg" width=${size} height=${size} alt="" />`;
