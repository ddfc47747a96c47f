// Requests to the service. Addresses are relative, so that the page works below any path of a proxy.

let token = "";

/** An answer that is no success; `status` is its HTTP status, or 0 where there was no answer. */
export class ServiceError extends Error {
  constructor(status, detail, retryAfter) {
    super(detail);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/** Carry this token in requests from now on. It is forgotten with the page. */
export function useToken(value) {
  token = value;
}

/** Ask what the service accepts. */
export async function limits() {
  return (await send("v1/limits", { method: "GET" })).json();
}

/** Find the faces in a file; an answer of "busy" is asked again, a few times. */
export async function detect(file, minFace, signal) {
  const query = minFace ? `?min_face_size=${encodeURIComponent(minFace)}` : "";
  const options = {
    method: "POST",
    body: file,
    signal,
    headers: { "Content-Type": file.type.startsWith("image/") ? file.type : "application/octet-stream" },
  };
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await (await send(`v1/detect${query}`, options)).json();
    } catch (error) {
      if (error.status !== 503 || attempt === 5) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1000 * Math.min(10, error.retryAfter)));
    }
  }
}

async function send(address, options) {
  const headers = { Accept: "application/json", ...options.headers };
  if (token) headers.Authorization = `Bearer ${token}`;
  let answer;
  try {
    answer = await fetch(address, { ...options, headers, cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServiceError(0, "The service does not answer.", 0);
  }
  if (answer.ok) return answer;
  let detail = `${answer.status} ${answer.statusText}`;
  try {
    detail = (await answer.json()).detail ?? detail;
  } catch {
    // A proxy may answer with a page of its own.
  }
  throw new ServiceError(answer.status, detail, Number(answer.headers.get("Retry-After")) || 1);
}
