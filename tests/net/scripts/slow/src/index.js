// Answers in two pieces, ?ms= milliseconds apart.
export default {
  fetch(request) {
    const pause = Number(new URL(request.url).searchParams.get("ms") ?? 500);
    const encoder = new TextEncoder();
    const body = new ReadableStream({
      async start(controller) {
        controller.enqueue(encoder.encode("first\n"));
        await new Promise((resolve) => setTimeout(resolve, pause));
        controller.enqueue(encoder.encode("second\n"));
        controller.close();
      },
    });
    return new Response(body);
  },
};
