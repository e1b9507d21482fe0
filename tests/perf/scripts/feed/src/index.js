// Turns a stream of CSV, the request's body, into lines of JSON while it passes: decode, cut into lines, convert, encode.
function lines() {
  let rest = "";
  return new TransformStream({
    transform(text, controller) {
      const parts = (rest + text).split("\n");
      rest = parts.pop();
      for (const line of parts) controller.enqueue(line);
    },
    flush(controller) {
      if (rest) controller.enqueue(rest);
    },
  });
}

function fields(line) {
  const out = [];
  let field = "", isQuoted = false;
  for (let i = 0; i < line.length; i++) {
    const c = line[i];
    if (isQuoted) {
      if (c !== '"') field += c;
      else if (line[i + 1] === '"') field += line[++i];
      else isQuoted = false;
    } else if (c === '"') {
      isQuoted = true;
    } else if (c === ",") {
      out.push(field);
      field = "";
    } else {
      field += c;
    }
  }
  out.push(field);
  return out;
}

function records() {
  let names = null;
  return new TransformStream({
    transform(line, controller) {
      const values = fields(line);
      if (!names) {
        names = values;
        return;
      }
      const record = {};
      for (let i = 0; i < names.length; i++) record[names[i]] = values[i] !== "" && !isNaN(values[i]) ? Number(values[i]) : values[i];
      controller.enqueue(`${JSON.stringify(record)}\n`);
    },
  });
}

export default {
  fetch(request) {
    const body = request.body
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(lines())
      .pipeThrough(records())
      .pipeThrough(new TextEncoderStream());
    return new Response(body, { headers: { "content-type": "application/x-ndjson" } });
  },
};
