/**
 * What the test pods need of a Redis client, without any dependency: one connection, one command
 * after the other, each with a deadline.
 *
 * Guarantees: every call ends within its deadline, and a failed connection says which address it
 * was. Does not reconnect, and does not pipeline.
 *
 * @typedef {object} Target What `target.json` says.
 * @property {string} group
 * @property {string} namespace
 * @property {{ host: string, port: number }} write
 * @property {{ host: string, port: number } | null} read
 * @property {{ host: string, port: number, httpPort: number }[]} members
 * @property {string | null} passwordFile
 * @property {number} patienceMs How long something may take to come true.
 * @property {{ directory: string, client: boolean } | null} tls
 *
 * @typedef {{ epoch: number, leader: { id: string } | null }} Topology
 *
 * @typedef {string | number | null | Error | readonly unknown[]} Reply
 */
import { readFileSync } from "node:fs";
import { connect as connectPlain } from "node:net";
import { connect as connectTls } from "node:tls";

const CALL_MS = 3_000;

/** @returns {Target} */
export function readTarget() {
  const text = readFileSync(process.argv[2] ?? "/opt/leasehold-test/target.json", "utf8");
  return /** @type {Target} */ (JSON.parse(text));
}

/**
 * What the first member that answers says of the group.
 *
 * @param {Target} target
 * @returns {Promise<Topology>}
 */
export async function topologyOf(target) {
  const problems = [];
  for (const { host, httpPort } of target.members) {
    const url = `http://${host}:${httpPort}/v1/topology`;
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(CALL_MS) });
      return /** @type {Topology} */ (await response.json());
    } catch (error) {
      problems.push(`${url}: ${reasonOf(error)}`);
    }
  }
  throw new Error(`no member tells who leads: ${problems.join("; ")}`);
}

/**
 * @param {{ host: string, port: number }} address
 * @param {Target} target
 */
export async function openRedis(address, target) {
  const name = `${address.host}:${address.port}`;
  const socket = await openSocket(address, target);
  /** @type {{ resolve: (reply: Reply) => void, reject: (error: Error) => void } | null} */
  let waiting = null;
  let received = Buffer.alloc(0);
  const fail = (/** @type {Error} */ error) => {
    socket.destroy();
    waiting?.reject(error);
    waiting = null;
  };
  socket.on("error", (error) => fail(new Error(`${name}: ${error.message}`)));
  socket.on("close", () => fail(new Error(`${name} closed the connection`)));
  socket.on("data", (/** @type {Buffer} */ data) => {
    received = Buffer.concat([received, data]);
    const parsed = parseReply(received, 0);
    if (!parsed) return;
    received = received.subarray(parsed.end);
    waiting?.resolve(parsed.reply);
    waiting = null;
  });
  const redis = {
    /**
     * Rejects for an error reply, too.
     *
     * @param {...(string | number)} words
     * @returns {Promise<Reply>}
     */
    async ask(...words) {
      const late = setTimeout(() => fail(new Error(`${name}: ${words[0]} took too long`)), CALL_MS);
      try {
        /** @type {Promise<Reply>} */
        const answered = new Promise((resolve, reject) => {
          waiting = { resolve, reject };
          socket.write(encode(words.map(String)));
        });
        const reply = await answered;
        if (reply instanceof Error) throw new Error(`${name}: ${words[0]}: ${reply.message}`);
        return reply;
      } finally {
        clearTimeout(late);
      }
    },
    close: () => void socket.destroy(),
  };
  const password = target.passwordFile && readFileSync(target.passwordFile, "utf8").trimEnd();
  if (password) await redis.ask("AUTH", password);
  return redis;
}

/**
 * Tries again until it succeeds, for `timeoutMs`; then throws the last error.
 *
 * @template T
 * @param {number} timeoutMs
 * @param {() => Promise<T>} attempt
 * @returns {Promise<T>}
 */
export async function eventually(timeoutMs, attempt) {
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > deadlineMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

/**
 * Runs a test to its end: one line, and an exit code of 0 or 1.
 *
 * @param {(target: Target) => Promise<string>} test Returns what it found, in words.
 */
export async function runTest(test) {
  try {
    process.stdout.write(`passed: ${await test(readTarget())}\n`);
    process.exit(0);
  } catch (error) {
    process.stdout.write(`failed: ${reasonOf(error)}\n`);
    process.exit(1);
  }
}

/** @param {unknown} error */
function reasonOf(error) {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  return cause instanceof Error ? cause.message : String(cause);
}

/**
 * @param {{ host: string, port: number }} address
 * @param {Target} target
 * @returns {Promise<import("node:net").Socket>}
 */
function openSocket({ host, port }, { tls, write, read }) {
  return new Promise((resolve, reject) => {
    const isService = host === write.host || host === read?.host;
    const socket = tls
      ? connectTls({ host, port, servername: host, ...tlsOptions(tls, isService) })
      : connectPlain({ host, port });
    const fail = (/** @type {string} */ words) => {
      socket.destroy();
      reject(new Error(`${host}:${port} cannot be reached: ${words}`));
    };
    const late = setTimeout(() => fail("it does not answer"), CALL_MS);
    socket.on("error", (/** @type {Error} */ error) => fail(error.message));
    socket.once(tls ? "secureConnect" : "connect", () => {
      clearTimeout(late);
      socket.removeAllListeners("error");
      socket.setNoDelay(true);
      resolve(socket);
    });
  });
}

/**
 * @param {{ directory: string, client: boolean }} tls
 * @param {boolean} isService A certificate may name the Services alone.
 */
function tlsOptions({ directory, client }, isService) {
  const file = (/** @type {string} */ name) => readFileSync(`${directory}/${name}`);
  return {
    ca: file("ca.crt"),
    ...(client ? { cert: file("tls.crt"), key: file("tls.key") } : {}),
    ...(isService ? {} : { checkServerIdentity: () => undefined }),
  };
}

/** @param {readonly string[]} words */
function encode(words) {
  const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
  return `*${words.length}\r\n${parts.join("")}`;
}

/**
 * @param {Buffer} bytes
 * @param {number} start
 * @returns {{ reply: Reply, end: number } | null} null: not all of it is there yet
 */
function parseReply(bytes, start) {
  const lineEnd = bytes.indexOf("\r\n", start);
  if (lineEnd < 0) return null;
  const kind = String.fromCharCode(bytes[start] ?? 0);
  const line = bytes.toString("utf8", start + 1, lineEnd);
  const end = lineEnd + 2;
  if (kind === "+") return { reply: line, end };
  if (kind === "-") return { reply: new Error(line), end };
  if (kind === ":") return { reply: Number(line), end };
  const length = Number(line);
  if (length < 0) return { reply: null, end };
  if (kind === "$") {
    if (bytes.length < end + length + 2) return null;
    return { reply: bytes.toString("utf8", end, end + length), end: end + length + 2 };
  }
  return parseArray(bytes, end, length);
}

/**
 * @param {Buffer} bytes
 * @param {number} start
 * @param {number} length
 */
function parseArray(bytes, start, length) {
  const items = [];
  let end = start;
  for (let index = 0; index < length; index += 1) {
    const item = parseReply(bytes, end);
    if (!item) return null;
    items.push(item.reply);
    end = item.end;
  }
  return { reply: items, end };
}
