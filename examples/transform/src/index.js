// Numbers the lines of a body while it streams: `curl --data-binary @FILE https://transform.<zone>/`. Nothing waits for the end of
// the body, and no more of it is held than the line that is not whole yet.
function numbered() {
  let line = "";
  let number = 0;
  return new TransformStream({
    transform(chunk, controller) {
      const lines = (line + chunk).split("\n");
      line = lines.pop();
      const text = lines.map((one) => `${++number}\t${one}\n`).join("");
      if (text) controller.enqueue(text);
    },
    flush(controller) {
      if (line) controller.enqueue(`${++number}\t${line}\n`);
    },
  });
}

export default {
  fetch(request) {
    if (!request.body) return new Response("send a text\n", { status: 400 });
    const lines = request.body.pipeThrough(new TextDecoderStream()).pipeThrough(numbered()).pipeThrough(new TextEncoderStream());
    return new Response(lines, { headers: { "content-type": "text/plain; charset=utf-8" } });
  },
};
