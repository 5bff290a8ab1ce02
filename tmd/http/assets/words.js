// Figures as people read them; the same words as tmctl.

/** Seconds as on a clock: `0:01:02`, `3 d 4:05:06`. */
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (number) => String(number).padStart(2, "0");
  const days = Math.floor(whole / 86400);
  const clock = `${Math.floor((whole % 86400) / 3600)}:${two(Math.floor((whole % 3600) / 60))}:${two(whole % 60)}`;
  return days ? `${days} d ${clock}` : clock;
}

/** KiB as a short text: `512 KiB`, `25.9 MiB`, `1.20 GiB`. */
export function size(kib) {
  if (kib < 1024) return `${Math.round(kib)} KiB`;
  const mib = kib / 1024;
  if (mib < 1024) return `${mib < 100 ? mib.toFixed(1) : Math.round(mib)} MiB`;
  return `${(mib / 1024).toFixed(2)} GiB`;
}

/** Percent of one core: `0.3 %`, `12 %`. */
export function percent(value) {
  return value < 10 ? `${value.toFixed(1)} %` : `${Math.round(value)} %`;
}

/** `1 program`, `2 programs`. */
export function count(number, word) {
  return `${number.toLocaleString("en")} ${word}${number === 1 ? "" : "s"}`;
}
