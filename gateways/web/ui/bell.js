// Owns the bell in the header: how many notifications are unread, as it changes.
import { count } from "../format.js";
import { unread } from "../inbox.js";
import { route } from "../router.js";
import { html } from "./html.js";
import { Icon } from "./icons.js";

const MOST = 99;
const said = (number) => (number ? count(number, "unread notification") : "no unread notifications");

export function Bell() {
  const number = unread.value ?? 0;
  const here = route.value.page === "notifications";
  return html`<div class="bell-place">
    <a class="icon-button bell" href="/notifications" aria-current=${here ? "page" : undefined}
      aria-label="Notifications, ${said(number)}" title="Notifications">
      <${Icon} name="bell" />
      ${number > 0 && html`<span class="bell-count numbers" key=${number}>${number > MOST ? `${MOST}+` : number}</span>`}
    </a>
    <p class="visually-hidden" role="status">${unread.value === null ? "" : said(number)}</p>
  </div>`;
}
