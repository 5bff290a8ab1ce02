// The daemon's live streams: server-sent events that go on where they were cut off.
//
// The browser takes a broken stream up again by itself, unless it got an answer it did not like (a proxy's 502 while
// the daemon restarts, say): then it gives up for good, and that is where this begins again.

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10000;
const UNSEEN_MS = 3000;

/**
 * Follow the stream at `address`. `heard`: event name -> function(data, id). `onstate("live" | "waiting")`.
 * Returns a function that ends it.
 */
export function follow(address, heard, onstate) {
  let source = null;
  let last = "";
  let wait = FIRST_WAIT_MS;
  let again = 0;
  let unseen = 0;
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
      if (!source) return;
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

  // A browser has six connections to one daemon: a page that nobody sees, or that is kept in memory, gives its own back.
  const leave = () => {
    clearTimeout(again);
    clearTimeout(unseen);
    again = unseen = 0;
    source?.close();
    source = null;
  };
  const back = () => {
    if (source || ended) return;
    onstate("waiting");
    open();
  };
  const look = () => {
    clearTimeout(unseen);
    unseen = 0;
    if (!document.hidden) back();
    else if (source) unseen = setTimeout(leave, UNSEEN_MS);
  };
  addEventListener("pagehide", leave);
  addEventListener("pageshow", look);
  document.addEventListener("visibilitychange", look);
  open();
  look();
  return () => {
    ended = true;
    removeEventListener("pagehide", leave);
    removeEventListener("pageshow", look);
    document.removeEventListener("visibilitychange", look);
    leave();
  };
}
