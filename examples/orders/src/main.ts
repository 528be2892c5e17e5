/** `LEASEHOLD_URL=leasehold://… node src/main.ts`: the whole application in one process. */
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { createLeasehold } from "@leasehold/client";
import { createApp } from "./app.ts";
import { openMails } from "./mails.ts";

const { LEASEHOLD_URL = "leasehold://127.0.0.1:6379", PORT = "3000" } = process.env;
const { SESSION_SECRET = "only for this machine" } = process.env;

const client = createLeasehold(LEASEHOLD_URL);
client.on("leaderChanged", ({ to }) => console.log(`leader: ${to.id}`));
const mails = openMails(client, (orderId) => console.log(`mail: ${orderId}`));
const server = createApp({ client, mails, secret: SESSION_SECRET }).listen(Number(PORT));
server.once("listening", () => console.log("listening"));

await once(process, "SIGTERM");
server.close();
setTimeout(() => server.closeAllConnections(), 2_000).unref();
await once(server, "close");
// Without a leader BullMQ would wait for one.
await Promise.race([mails.close(), sleep(2_000, null, { ref: false })]);
await client.close();
