/** The routes. What each does with Redis is in the file that it is named after. */
import type { Leasehold } from "@leasehold/client";
import express, { type Express, type RequestHandler } from "express";
import { countVisits } from "./count-visits.ts";
import { keepSessions } from "./keep-sessions.ts";
import { limitLogins } from "./limit-logins.ts";
import type { Mails } from "./mails.ts";
import { placeOrder } from "./place-order.ts";
import { showOwnOrder, watchOrder } from "./read-orders.ts";
import { textOf } from "./text-of.ts";

export interface AppParts {
  readonly client: Leasehold;
  readonly mails: Mails;
  /** Signs the cookies. */
  readonly secret: string;
}

export function createApp({ client, mails, secret }: AppParts): Express {
  const app = express();
  app.get("/ready", async (_request, response) => {
    const { ok, reason } = await client.check();
    response.status(ok ? 200 : 503).send(reason);
  });
  app.post("/visits", countVisits(client));
  app.use(express.json(), keepSessions(client, secret));
  app.post("/login", limitLogins(client), logIn);
  app.post("/orders", requireUser, takeOrder(client, mails));
  app.get("/orders/:id", requireUser, showOwnOrder(client));
  app.get("/orders/:id/known", watchOrder(client));
  return app;
}

/** The session is stored before the answer goes out. */
const logIn: RequestHandler = (request, response, next) => {
  request.session.user = textOf(request.body, "user");
  request.session.save((error: unknown) => {
    if (error) next(error);
    else response.status(204).end();
  });
};

const requireUser: RequestHandler = ({ session: { user } }, response, next) => {
  if (user) next();
  else response.status(401).end();
};

/** 201: order and mail are on their way. Whatever else: send it again, with the same id. */
function takeOrder(client: Leasehold, mails: Mails): RequestHandler {
  return async ({ body }, response) => {
    const id = textOf(body, "id");
    const receipt = await placeOrder(client, id, textOf(body, "item"));
    if (receipt === "refused" || receipt === "unknown") {
      response.status(receipt === "refused" ? 503 : 500).json({ id, receipt });
      return;
    }
    const isConfirmed = await mails.confirm(id).then(
      () => true,
      () => false,
    );
    response.status(isConfirmed ? 201 : 503).json({ id, receipt });
  };
}
