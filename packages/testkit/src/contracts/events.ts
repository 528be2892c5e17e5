/** The contract of Events, which tell the story of a group. */
import { describe, expect, test } from "vitest";
import { CONTRACT_LABEL } from "./collection.ts";
import type { Collection } from "./collection.ts";

const TIME = "2026-11-25T15:46:01Z";

export function eventContract(events: Collection, namespace: string): void {
  const { patch, post } = events;

  const event = (fields: object = {}) => ({
    metadata: { name: events.name(), labels: { [CONTRACT_LABEL]: "" } },
    involvedObject: { apiVersion: "apps/v1", kind: "StatefulSet", name: "contract", namespace },
    reason: "Tested",
    message: "by the contract",
    type: "Normal",
    source: { component: "contract" },
    firstTimestamp: TIME,
    lastTimestamp: TIME,
    count: 1,
    ...fields,
  });

  describe("an Event", () => {
    test("has the fields of its successor, empty, and times of whole seconds", async () => {
      const { code, body } = await post(event({ lastTimestamp: "2026-11-25T15:46:01.987Z" }));
      expect(code).toBe(201);
      expect(body).toMatchObject({
        eventTime: null,
        lastTimestamp: TIME,
        reportingComponent: "",
        reportingInstance: "",
      });
    });

    test("is counted up by a patch, which finds none that is gone", async () => {
      const { body } = await post(event());
      const { name } = body.metadata;
      expect((await patch(name, { count: 2 })).body).toMatchObject({ count: 2 });
      expect((await patch(name, { count: "3" })).code).toBe(422);
      expect((await patch(events.name(), { count: 2 })).code).toBe(404);
    });

    test.each([
      ["about an object of another namespace", { involvedObject: { namespace: "other" } }, 422],
      ["at no time", { lastTimestamp: "now" }, 400],
    ])("%s is refused", async (_what, fields, code) => {
      expect((await post(event(fields))).code).toBe(code);
    });
  });
}
