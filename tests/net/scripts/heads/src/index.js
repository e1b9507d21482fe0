// An answer with as large a head as one asks for: /?bytes=12000
export default {
  fetch(request) {
    const bytes = Number(new URL(request.url).searchParams.get("bytes"));
    return new Response("whole", { headers: { "x-pad": "a".repeat(bytes) } });
  },
};
