// Numbers for people.

const whole = new Intl.NumberFormat("en");

export const count = (number) => whole.format(Math.round(number));

export const tokens = (number) => `${count(number)} ${number === 1 ? "token" : "tokens"}`;

/** A time, as exact as it is of use. @param {number} seconds */
export function duration(seconds) {
  if (seconds < 0.1) return "under 0.1 s";
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 59.5) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (seconds < 600) return `${Math.floor(Math.round(seconds) / 60)} min ${Math.round(seconds) % 60} s`;
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

// Tokens per second.
function speed(number, seconds) {
  const rate = number / seconds;
  return `${rate < 9.95 ? rate.toFixed(1) : count(rate)}/s`;
}

/**
 * What an answer took, in a few words each; numbers are tokens.
 * @param usage as the server told it  @param times in seconds: first (to the first token), reading, writing
 */
export function ofAnswer(usage, times) {
  const { prompt_tokens: prompt, prompt_cache_hit_tokens: cached, completion_tokens: written } = usage;
  const read = prompt - cached;
  const result = [`First token after ${duration(times.first)}`];
  // A few tokens say nothing of the speed.
  result.push(`${count(read)} read${read >= 64 && times.reading > 0 ? ` at ${speed(read, times.reading)}` : ""}`);
  result.push(`${cached > 0 ? count(cached) : "none"} cached`);
  result.push(`${count(written)} written${written >= 8 && times.writing > 0 ? ` at ${speed(written - 1, times.writing)}` : ""}`);
  return result;
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
