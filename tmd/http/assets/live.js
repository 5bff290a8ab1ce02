// The daemon's live streams: server-sent events that go on where they were cut off.
//
// The browser takes a broken stream up again by itself, unless it got an answer it did not like (a proxy's 502 while
// the daemon restarts, say): then it gives up for good, and that is where this begins again.

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10000;

/**
 * Follow the stream at `address`. `heard`: event name -> function(data, id). `onstate("live" | "waiting")`.
 * Returns a function that ends it.
 */
export function follow(address, heard, onstate) {
  let source = null;
  let last = "";
  let wait = FIRST_WAIT_MS;
  let again = 0;
  let ended = false;

  const open = () => {
    again = 0;
    const from = last ? `${address.includes("?") ? "&" : "?"}after=${encodeURIComponent(last)}` : "";
    source = new EventSource(address + from);
    source.onopen = () => {
      wait = FIRST_WAIT_MS;
      onstate("live");
    };
    source.onerror = () => {
      if (ended) return;
      onstate("waiting");
      if (source.readyState === EventSource.CLOSED && !again) {
        again = setTimeout(open, wait * (0.75 + Math.random() / 2));
        wait = Math.min(wait * 2, LONGEST_WAIT_MS);
      }
    };
    for (const [name, told] of Object.entries(heard)) {
      source.addEventListener(name, (event) => {
        if (event.lastEventId) last = event.lastEventId;
        told(JSON.parse(event.data), event.lastEventId);
      });
    }
  };

  // A page kept in the browser's memory must not keep its connection: there are few of them.
  const leave = () => source?.close();
  const back = (event) => event.persisted && !ended && open();
  addEventListener("pagehide", leave);
  addEventListener("pageshow", back);
  open();
  return () => {
    ended = true;
    clearTimeout(again);
    removeEventListener("pagehide", leave);
    removeEventListener("pageshow", back);
    source.close();
  };
}
