// Owns how a post looks: what it says, and what has happened to it since.
import { useId, useState } from "preact/hooks";
import { about } from "../feed.js";
import { count, hours } from "../format.js";
import { likes } from "../reactions.js";
import { session } from "../session.js";
import { mayPublish } from "../socket.js";
import { useSubmit } from "../submit.js";
import { Avatar, Time } from "./bits.js";
import { TraceLink, safeUrl } from "./event-card.js";
import { html } from "./html.js";
import { Icon } from "./icons.js";
import { CommentForm, TipForm } from "./reply-forms.js";

const COMMENTS_SHOWN = 2;

function Action({ icon, label, number, tone, ...button }) {
  const shown = number ? html`<span class="numbers">${number}</span>` : "";
  if (!mayPublish.value && !number) return null;
  if (!mayPublish.value) {
    return html`<span class="action action-${tone}" title=${label}><${Icon} name=${icon} size=${18} />
      ${shown}<span class="visually-hidden">${label}</span></span>`;
  }
  return html`<button type="button" class="action action-${tone}" aria-label=${label} title=${label} ...${button}>
    <${Icon} name=${icon} size=${18} fill=${button["aria-pressed"] === true} />${shown}</button>`;
}

function LikeAction({ post, known }) {
  const { busy, submit } = useSubmit();
  const actor = session.value.user;
  const mine = known.likedBy.includes(actor);
  const data = { content_id: post.content_id, author: post.author };
  return html`<${Action} icon="like" tone="like" number=${likes(known)} aria-pressed=${mine} aria-busy=${busy}
    label="${mine ? "Unlike" : "Like"} (${count(likes(known), "like")})"
    onClick=${() => submit({ type: mine ? "content.unliked" : "content.liked", actor, data })} />`;
}

function Comment({ comment }) {
  return html`<li class="comment"><${Avatar} name=${comment.actor ?? "?"} size="s" />
    <p class="grow"><strong>${comment.actor ?? "someone"}</strong> ${comment.text}</p>
    <${Time} value=${comment.time} /></li>`;
}

function Comments({ known }) {
  const [all, showAll] = useState(false);
  if (!known.comments.length) return null;
  const shown = all ? known.comments : known.comments.slice(-COMMENTS_SHOWN);
  const hidden = known.comments.length - shown.length;
  return html`<div class="comments">
    ${hidden > 0 && html`<button type="button" class="link-button" onClick=${() => showAll(true)}>
      Show ${count(hidden, "earlier comment")}</button>`}
    <ul>${shown.map((comment) => html`<${Comment} key=${comment.id} comment=${comment} />`)}</ul>
  </div>`;
}

function TipAction({ post, known, opener }) {
  const mayTip = post.author !== session.value.user;
  if (!mayTip && !known.tips) return null;
  return html`<${Action} icon="tip" tone="tip" number=${known.tips && hours(known.tipped)} disabled=${!mayTip}
    label="Tip ${post.author} (${count(known.tips, "tip")})" ...${mayTip ? opener : {}} />`;
}

function Shares({ number }) {
  if (!number) return null;
  return html`<span class="action" title=${count(number, "share")}><${Icon} name="share" size=${18} />
    <span class="numbers">${number}</span><span class="visually-hidden">shares</span></span>`;
}

function Actions({ post, known, form, open }) {
  const opener = (name) => ({ "aria-expanded": form === name, onClick: () => open(form === name ? "" : name) });
  return html`<div class="actions">
    <${LikeAction} post=${post} known=${known} />
    <${Action} icon="comment" tone="comment" number=${known.commentCount} ...${opener("comment")}
      label="Comment (${count(known.commentCount, "comment")})" />
    <${TipAction} post=${post} known=${known} opener=${opener("tip")} />
    <${Shares} number=${known.shares} />
  </div>`;
}

function Title({ post, id }) {
  const url = safeUrl(post.url);
  return html`<h2 class="post-title" id=${id}>${url
    ? html`<a href=${url} target="_blank" rel="noopener noreferrer">${post.title}</a>`
    : post.title}</h2>`;
}

const Gone = ({ post }) => html`
  <article class="card post gone muted" tabindex="-1" data-card>This post by ${post.author} was deleted.</article>`;

export function PostCard({ card }) {
  const [form, open] = useState("");
  const id = useId();
  const { event } = card;
  const post = event.data;
  const known = about(event).value;
  if (known.deleted) return html`<${Gone} post=${post} />`;
  return html`<article class="card post" tabindex="-1" data-card data-content=${post.content_id}
    aria-labelledby=${id}>
    <header class="post-head"><${Avatar} name=${post.author} />
      <div class="grow"><p class="post-by"><strong class="clip">${post.author}</strong>
        ${post.zone && html`<span class="tag">${post.zone}</span>`}</p>
        <p class="post-when muted small">${post.kind} · <${Time} value=${event.time} /></p></div>
      <${TraceLink} event=${event} /></header>
    <${Title} post=${post} id=${id} />
    <${Actions} post=${post} known=${known} form=${form} open=${open} />
    <${Comments} known=${known} />
    ${form === "comment" && html`<${CommentForm} post=${post} close=${() => open("")} />`}
    ${form === "tip" && html`<${TipForm} post=${post} close=${() => open("")} />`}
  </article>`;
}
