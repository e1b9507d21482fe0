// Renders an article from Markdown into a page: block rules, inline rules by regular expressions, a template that escapes.
const escapes = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const escape = (text) => String(text).replace(/[&<>"']/g, (c) => escapes[c]);

class Raw {
  constructor(text) { this.text = text; }
}

function html(strings, ...values) {
  let out = strings[0];
  values.forEach((value, i) => {
    for (const one of Array.isArray(value) ? value : [value]) out += one instanceof Raw ? one.text : escape(one ?? "");
    out += strings[i + 1];
  });
  return new Raw(out);
}

function inline(text) {
  return escape(text)
    .replace(/`([^`]+)`/g, "<code>$1</code>")
    .replace(/\*\*([^*]+)\*\*/g, "<strong>$1</strong>")
    .replace(/\*([^*]+)\*/g, "<em>$1</em>")
    .replace(/\[([^\]]+)\]\(([^)\s]+)\)/g, (_, label, url) => `<a href="${url}">${label}</a>`);
}

function markdown(source) {
  const out = [], headings = [];
  let list = null, paragraph = [], fence = null;
  const flush = () => {
    if (paragraph.length) out.push(`<p>${inline(paragraph.join(" "))}</p>`);
    if (list) out.push(`<ul>${list.map((item) => `<li>${inline(item)}</li>`).join("")}</ul>`);
    paragraph = [];
    list = null;
  };
  for (const line of source.split("\n")) {
    if (line.startsWith("```")) {
      if (fence) out.push(`<pre><code>${escape(fence.join("\n"))}</code></pre>`);
      else flush();
      fence = fence ? null : [];
    } else if (fence) {
      fence.push(line);
    } else if (line[0] === "#") {
      flush();
      const level = line.match(/^#+/)[0].length;
      const title = line.slice(level).trim();
      const id = title.toLowerCase().replace(/[^a-z0-9]+/g, "-");
      headings.push({ level, title, id });
      out.push(`<h${level} id="${id}">${inline(title)}</h${level}>`);
    } else if (line.startsWith("- ")) {
      (list ??= []).push(line.slice(2));
    } else if (line.trim() === "") {
      flush();
    } else {
      paragraph.push(line);
    }
  }
  flush();
  return { body: new Raw(out.join("\n")), headings };
}

const section = (n) => `## Section ${n}: what & why

Some *words* of **weight** about \`code_${n}\`, with a [link](https://example.com/${n}) and a <tag> that is text.
They go on for a second line, as prose does, and for a third one,
until the paragraph ends.

- the first of ${n} points
- one with **bold** and \`code\`
- the last

\`\`\`
for (let i = 0; i < ${n}; i++) if (a[i] < b[i] && c) swap("${n}");
\`\`\`
`;
const article = `# An article\n\n${Array.from({ length: 12 }, (_, n) => section(n + 1)).join("\n")}`;

export default {
  fetch(request) {
    const { body, headings } = markdown(article);
    const links = headings.filter(({ level }) => level === 2).map(({ id, title }) => html`<li><a href="#${id}">${title}</a></li>`);
    const page = html`<!doctype html>
<html><head><title>${headings[0].title}</title><meta name="of" content="${request.url}"></head>
<body><nav><ul>${links}</ul></nav><main>${body}</main></body></html>`;
    return new Response(page.text, { headers: { "content-type": "text/html; charset=utf-8" } });
  },
};
