/**
 * People who log in once, and then order, look at what they ordered and visit, again and again.
 * What fails is tried again with the same id, as the application asks for.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

export interface Seen {
  /** Answers by route and status, "POST /orders 201". */
  readonly answers: Readonly<Record<string, number>>;
  /** Orders that were answered with 201. */
  readonly placed: readonly string[];
  /** Of those, the ones that were not there when they were asked for at once. */
  readonly notSeen: readonly string[];
  /** Longest time that one order took, with all its tries. */
  readonly slowestMs: number;
}

export interface Shoppers {
  seen(): Seen;
  /** Counts anew. */
  reset(): void;
  stop(): Promise<void>;
}

interface Count {
  answers: Record<string, number>;
  placed: string[];
  notSeen: string[];
  slowestMs: number;
}

const PACE_MS = 20;
const PATIENCE_MS = 20_000;
const empty = (): Count => ({ answers: {}, placed: [], notSeen: [], slowestMs: 0 });

export async function startShoppers(url: string, people: number): Promise<Shoppers> {
  let count = empty();
  const stopping = new AbortController();
  const cookies = await Promise.all(
    Array.from({ length: people }, async (_, n) => logIn(url, `shopper-${n}`)),
  );
  const ask = async (route: string, request: RequestInit & { path?: string } = {}) => {
    const [method = "GET"] = route.split(" ");
    const path = request.path ?? route.slice(method.length + 1);
    const response = await fetch(url + path, { ...request, method, signal: deadline() });
    const key = `${route} ${response.status}`;
    count.answers[key] = (count.answers[key] ?? 0) + 1;
    return response;
  };
  async function shop(cookie: string): Promise<void> {
    const id = randomUUID();
    const headers = { cookie, "content-type": "application/json" };
    const body = JSON.stringify({ id, item: `item of ${id}` });
    const startedAtMs = performance.now();
    while ((await drained(await ask("POST /orders", { headers, body }))) !== 201) {
      if (performance.now() - startedAtMs > PATIENCE_MS) throw new Error(`${id} was never placed`);
      await sleep(PACE_MS);
    }
    count.slowestMs = Math.max(count.slowestMs, performance.now() - startedAtMs);
    count.placed.push(id);
    const found = await ask("GET /orders/:id", { headers, path: `/orders/${id}` });
    if (found.status !== 200) count.notSeen.push(id);
    await drained(found);
    await drained(await ask("GET /orders/:id/known", { path: `/orders/${id}/known` }));
    await drained(await ask("POST /visits"));
  }
  const all = cookies.map(async (cookie) => {
    while (!stopping.signal.aborted) {
      await shop(cookie);
      await sleep(PACE_MS);
    }
  });
  return {
    seen: () => count,
    reset() {
      count = empty();
    },
    async stop() {
      stopping.abort();
      await Promise.all(all);
    },
  };
}

/** Returns the cookie; throws with the status when nobody was let in. */
export async function logIn(url: string, user: string): Promise<string> {
  const response = await fetch(`${url}/login`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ user }),
    signal: deadline(),
  });
  if (response.status !== 204) throw new Error(`login: ${response.status}`);
  return (response.headers.get("set-cookie") ?? "").split(";", 1)[0] ?? "";
}

async function drained(response: Response): Promise<number> {
  await response.arrayBuffer();
  return response.status;
}

const deadline = (): AbortSignal => AbortSignal.timeout(PATIENCE_MS);
