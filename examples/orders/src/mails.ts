/**
 * A queue of BullMQ and its worker. An id of the caller's own makes one job of two calls, so that
 * a call of unknown outcome can be made again.
 *
 * A job that was acknowledged is lost only with a leader that dies before a replica has it.
 */
import type { Leasehold } from "@leasehold/client";
import { Queue, Worker } from "bullmq";

const QUEUE = "mails";

export interface Mails {
  confirm(orderId: string): Promise<void>;
  close(): Promise<void>;
}

/** `deliver` may be called twice for one order: when its worker lost the job while it ran. */
export function openMails(
  client: Leasehold,
  deliver: (orderId: string) => Promise<void> | void,
): Mails {
  const queue = new Queue<{ orderId: string }>(QUEUE, {
    connection: client.bullmqConnection("producer"),
  });
  const worker = new Worker<{ orderId: string }>(
    QUEUE,
    async ({ data: { orderId } }) => deliver(orderId),
    {
      connection: client.bullmqConnection("worker"),
      // For jobs that are done within a second; a job whose worker is gone is taken up after this.
      lockDuration: 4_000,
      stalledInterval: 2_000,
      runRetryDelay: 500,
    },
  );
  // Each tells of every connection that it lost; without a listener that would end the process.
  queue.on("error", () => {});
  worker.on("error", () => {});
  return {
    async confirm(orderId) {
      await queue.add("confirm", { orderId }, { jobId: `mail-${orderId}` });
    },
    async close() {
      await worker.close();
      await queue.close();
    },
  };
}
