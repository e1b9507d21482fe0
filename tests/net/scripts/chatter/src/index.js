// Logs what it is told to say.
export default {
  fetch(request) {
    console.log(new URL(request.url).searchParams.get("say"));
    return new Response("said\n");
  },
};
