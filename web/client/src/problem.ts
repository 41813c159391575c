/** An error as the server says it (RFC 9457), or that it could not be reached. */

import type { Problem } from "./types.js";

export class WeirError extends Error {
  constructor(
    readonly problem: Problem,
    /** Milliseconds after which to try again, if the server said so. */
    readonly retryAfter?: number,
  ) {
    super(problem.detail);
    this.name = "WeirError";
  }

  get status(): number {
    return this.problem.status;
  }

  /** A stable slug such as `turn-in-progress`. */
  get type(): string {
    return this.problem.type;
  }
}

/** The server was not reached; nobody knows whether it heard. */
export class UnreachableError extends Error {
  constructor(cause: unknown) {
    super("the server cannot be reached", { cause });
    this.name = "UnreachableError";
  }
}

export async function errorOf(response: Response): Promise<WeirError> {
  const seconds = Number(response.headers.get("retry-after"));
  const retryAfter = seconds > 0 ? seconds * 1000 : undefined;
  const { status } = response;
  try {
    const problem: unknown = await response.json();
    if (isProblem(problem)) return new WeirError(problem, retryAfter);
  } catch {
    // Something between us and the server answered.
  }
  const detail = `the server answered ${status}`;
  return new WeirError({ type: "unknown", title: "Something went wrong", status, detail }, retryAfter);
}

function isProblem(value: unknown): value is Problem {
  return typeof value === "object" && value !== null && "type" in value && "status" in value && "detail" in value;
}

/** Worth trying again: nothing is wrong with the request itself. */
export function isTemporary(error: unknown): boolean {
  if (error instanceof UnreachableError) return true;
  return error instanceof WeirError && (error.status === 429 || error.status >= 500);
}
