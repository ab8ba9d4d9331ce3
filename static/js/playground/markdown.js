// Markdown of models as safe elements. Loaded when it is first needed: it brings markdown-it and DOMPurify.
//
// Two walls: markdown-it takes no HTML and no address but http, https and mailto; what it writes then passes DOMPurify with the few
// elements it can write. Pictures never load: they become links.
import DOMPurify from "dompurify";
import MarkdownIt from "markdown-it";

import { maths } from "./maths.js";

const ADDRESSES = /^(?:https?:\/\/|mailto:)/i;
const purifier = DOMPurify(window);
purifier.setConfig({
  ALLOWED_TAGS: [
    "a", "blockquote", "br", "code", "div", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s", "span", "strong", "table",
    "tbody", "td", "th", "thead", "tr", "ul",
  ],
  ALLOWED_ATTR: ["class", "href", "start", "title"],
  ALLOWED_URI_REGEXP: ADDRESSES,
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  IN_PLACE: true,
});
purifier.addHook("afterSanitizeAttributes", (node) => {
  if (node.nodeName !== "A") return;
  node.setAttribute("target", "_blank");
  node.setAttribute("rel", "noopener noreferrer nofollow");
});

const parser = new MarkdownIt({ html: false, linkify: true, breaks: false, typographer: false }).use(maths);
parser.validateLink = (address) => ADDRESSES.test(address.trim());
const { escapeHtml } = parser.utils;
parser.renderer.rules.image = (tokens, at) => {
  const token = tokens[at];
  const address = token.attrGet("src");
  const words = escapeHtml(token.content || address);
  return `<a class="foreign-image" href="${escapeHtml(address)}">Image: ${words}</a>`;
};
for (const kind of ["th_open", "td_open"]) {
  // markdown-it aligns cells by inline style, which the policy forbids.
  parser.renderer.rules[kind] = (tokens, at, options, env, renderer) => {
    const side = /text-align:(\w+)/.exec(tokens[at].attrGet("style") ?? "")?.[1];
    tokens[at].attrs = side && side !== "left" ? [["class", side === "right" ? "n" : "centre"]] : null;
    return renderer.renderToken(tokens, at, options);
  };
}
parser.renderer.rules.table_open = () => '<div class="table-scroll"><table>';
parser.renderer.rules.table_close = () => "</table></div>";

// Elements of this document load nothing and run nothing. It is made once: one for each block is most of what purifying costs.
const inert = document.implementation.createHTMLDocument("");

export function fragmentOf(tokens, env) {
  const root = inert.createElement("div");
  root.innerHTML = parser.renderer.render(tokens, parser.options, env);
  purifier.sanitize(root);
  const fragment = document.createDocumentFragment();
  fragment.append(...root.childNodes);
  return fragment;
}

// [{ tokens, start, fence }]: the blocks of a text, each with the line it begins at; `fence` is the token of a block of code.
export function blocksOf(text, env) {
  const blocks = [];
  for (const token of parser.parse(text, env)) {
    if (token.level === 0 && token.nesting >= 0) {
      blocks.push({ tokens: [], start: token.map[0], fence: token.type === "fence" || token.type === "code_block" ? token : null });
    }
    blocks.at(-1).tokens.push(token);
  }
  return blocks;
}
