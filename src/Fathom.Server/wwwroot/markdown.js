// The little of Markdown that answers are made of: code, headings, lists, bold. Text goes into the page as text nodes; nothing in it becomes HTML or a link.

/** Shows a text that grows; blocks that stay the same stay where they are. */
export class MarkdownView {
  #shown = [];

  /** @param {HTMLElement} element to fill  @param {(code: string) => HTMLElement} copyButton of a block of code */
  constructor(element, copyButton) {
    this.element = element;
    this.copyButton = copyButton;
  }

  show(text) {
    const blocks = blocksOf(text);
    let same = 0;
    while (same < blocks.length && this.#shown[same]?.kind === blocks[same].kind && this.#shown[same].text === blocks[same].text) same++;
    while (this.element.childNodes.length > same) this.element.lastChild.remove();
    for (const block of blocks.slice(same)) this.element.append(this.#elementOf(block));
    this.#shown = blocks;
  }

  #elementOf({ kind, text }) {
    if (kind === "code") {
      const box = element("div", "code");
      const pre = element("pre");
      pre.tabIndex = 0;
      pre.append(element("code", "", text));
      box.append(this.copyButton(text), pre);
      return box;
    }
    if (kind === "ul" || kind === "ol") {
      const list = element(kind);
      const number = kind === "ol" ? /^\s*\d{1,4}[.)]\s+/ : "";
      for (const item of text.split("\n")) list.append(inline(element("li"), item.replace(number, "")));
      if (kind === "ol") list.start = parseInt(text, 10) || 1;
      return list;
    }
    // Headings of an answer stand below the page's own.
    return inline(element(kind), text);
  }
}

function blocksOf(text) {
  const blocks = [];
  let open = null;
  for (const line of text.split("\n")) {
    const fence = line.match(/^\s*```/);
    if (open?.kind === "code") {
      if (fence) open = null;
      else open.text += (open.isEmpty ? "" : "\n") + line;
      if (open) open.isEmpty = false;
      continue;
    }
    const kind = kindOf(line);
    if (fence) {
      blocks.push((open = { kind: "code", text: "", isEmpty: true }));
    } else if (kind === null) {
      open = null;
    } else if (open && open.kind === kind && !kind.startsWith("h")) {
      open.text += "\n" + contentOf(line, kind);
    } else {
      blocks.push((open = { kind, text: contentOf(line, kind) }));
    }
  }
  return blocks;
}

function kindOf(line) {
  if (/^\s*$/.test(line)) return null;
  if (/^#{1,6}\s/.test(line)) return line.startsWith("# ") || line.startsWith("## ") ? "h3" : "h4";
  if (/^\s*[-*+]\s/.test(line)) return "ul";
  return /^\s*\d{1,4}[.)]\s/.test(line) ? "ol" : "p";
}

function contentOf(line, kind) {
  if (kind === "ul") return line.replace(/^\s*[-*+]\s+/, "");
  // The number stays in front of an ordered item until the list is made: its first is the list's start.
  return kind.startsWith("h") ? line.replace(/^#{1,6}\s+/, "") : line;
}

function inline(target, text) {
  for (const part of text.split(/(`[^`\n]+`|\*\*[^*\n]+\*\*)/)) {
    if (part.length > 2 && part.startsWith("`") && part.endsWith("`")) target.append(element("code", "", part.slice(1, -1)));
    else if (part.length > 4 && part.startsWith("**") && part.endsWith("**")) target.append(element("strong", "", part.slice(2, -2)));
    else if (part) target.append(part);
  }
  return target;
}

/** An element with a class and a text. */
export function element(name, className = "", text = "") {
  const result = document.createElement(name);
  if (className) result.className = className;
  if (text) result.textContent = text;
  return result;
}
