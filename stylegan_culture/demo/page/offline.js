// Keeps all that this page has used, so that it works without the server the next time.

/** Registers the service worker and gives it the addresses used; resolves to a sentence. */
export async function keepForOffline(more) {
  if (!navigator.serviceWorker) {
    return "Not kept for use without the server: browsers do that only on localhost or by https.";
  }
  await navigator.serviceWorker.register("/worker.js");
  const { active } = await navigator.serviceWorker.ready;
  const used = performance.getEntriesByType("resource").map((entry) => entry.name);
  const here = [location.origin + "/", ...used, ...more.map((path) => location.origin + path)];
  const addresses = [...new Set(here.filter((name) => name.startsWith(location.origin + "/")))];
  const answer = await new Promise((resolve) => {
    const channel = new MessageChannel();
    channel.port1.onmessage = ({ data }) => resolve(data);
    active.postMessage({ addresses }, [channel.port2]);
  });
  if (answer.failed) return `Not kept for use without the server: ${answer.failed}`;
  return "Kept on this device: the page now works without the server.";
}
