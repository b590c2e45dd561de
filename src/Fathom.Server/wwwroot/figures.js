// Numbers for people.

const whole = new Intl.NumberFormat("en");

export const count = (number) => whole.format(Math.round(number));

export const tokens = (number) => `${count(number)} ${number === 1 ? "token" : "tokens"}`;

/** A time, as exact as it is of use. @param {number} seconds */
export function duration(seconds) {
  if (seconds < 0.095) return `${Math.max(Math.round(seconds * 1000), 1)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 59.5) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (seconds < 600) return `${Math.floor(Math.round(seconds) / 60)} min ${Math.round(seconds) % 60} s`;
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

// Tokens per second.
function speed(number, milliseconds) {
  const rate = (1000 * number) / Math.max(milliseconds, 0.001);
  return `${rate < 9.95 ? rate.toFixed(1) : count(rate)}/s`;
}

/**
 * What an answer took, in a few words each; numbers are tokens.
 * @param timings as the server measured them  @param {number} first seconds from sending to the first token, as the page saw it
 */
export function ofAnswer(timings, first) {
  const { prompt_n: read, prompt_ms: reading, cache_n: cached, predicted_n: written, predicted_ms: writing } = timings;
  // A few tokens say nothing of the speed.
  return [
    `First token after ${duration(first)}`,
    `${tokens(read)} read${read >= 32 ? ` at ${speed(read, reading)}` : ""}`,
    `${cached > 0 ? count(cached) : "none"} cached`,
    `${count(written)} written${written >= 8 ? ` at ${speed(written, writing)}` : ""}`,
  ];
}

/** A forecast in a line; empty where there is nothing worth saying. */
export function ofForecast(forecast) {
  const { prompt_tokens: prompt, cached_tokens: cached, uncached_tokens: unread, seconds_to_first_token: seconds } = forecast;
  if (!forecast.fits) return forecast.refusal;
  if (unread < 256 && (seconds ?? 0) < 1) return "";
  const parts = [`${tokens(unread)} to read`];
  if (cached > 0) parts.push(`${count(cached)} of ${count(prompt)} cached`);
  parts.push(seconds === null ? "no speed measured yet" : `about ${duration(seconds)}`);
  return parts.join(", ");
}
