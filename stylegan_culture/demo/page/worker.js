// Service worker: answers from the server while there is one, else from what was kept.

const KEPT = "stylegan-culture-demo";

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("message", (event) => {
  const [port] = event.ports;
  const kept = keep(event.data.addresses).then(
    () => port.postMessage({}),
    (error) => port.postMessage({ failed: error.message }),
  );
  event.waitUntil(kept);
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || new URL(request.url).origin !== self.location.origin) return;
  event.respondWith(answer(event));
});

/** Keeps what is not kept yet; what the page asks for later is kept anew by `answer`. */
async function keep(addresses) {
  const cache = await caches.open(KEPT);
  const kept = await Promise.all(addresses.map((address) => cache.match(address)));
  await cache.addAll(addresses.filter((_, index) => !kept[index]));
}

async function answer(event) {
  const { request } = event;
  const cache = await caches.open(KEPT);
  let response;
  try {
    response = await fetch(request);
  } catch (error) {
    const kept = await cache.match(request.url);
    if (kept) return kept;
    throw error;
  }
  if (response.ok) event.waitUntil(cache.put(request.url, response.clone()));
  return response;
}
