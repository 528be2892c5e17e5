import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { LeaseRecord, LineageEntry, Position } from "@leasehold/election";
import { leaseOf, recordOf } from "../src/lease-record.ts";
import { ANNOTATION } from "../src/names.ts";
import type { ApiObject } from "../src/api/object.ts";

const word = fc.string({ minLength: 1, maxLength: 12 });
const integer = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const position: fc.Arbitrary<Position> = fc.record(
  {
    epoch: integer,
    offset: integer,
    replid: word,
    restored: fc.boolean(),
    outlived: fc.boolean(),
    led: fc.record({ epoch: integer, offset: integer }),
  },
  { requiredKeys: ["epoch", "offset", "replid"] },
);
const lineageEntry: fc.Arbitrary<LineageEntry> = fc.record(
  {
    epoch: integer,
    replid: word,
    startOffset: integer,
    parent: fc.option(word),
    moved: fc.constant(true),
  },
  { requiredKeys: ["epoch", "replid", "startOffset", "parent"] },
);
const record: fc.Arbitrary<LeaseRecord> = fc.record({
  holder: fc.option(word),
  durationMs: fc.integer({ min: 1, max: 3600 }).map((seconds) => seconds * 1000),
  transitions: fc.nat(),
  epoch: integer,
  attempt: fc.option(word),
  lineage: fc.array(lineageEntry, { maxLength: 16 }),
  members: fc.dictionary(
    fc.oneof(word, fc.constant("__proto__")),
    fc.record({ attached: fc.boolean(), position: fc.option(position) }),
    { noNullPrototype: true },
  ),
  position: fc.option(fc.tuple(position, word).map(([at, runId]) => ({ ...at, runId }))),
  handover: fc.option(
    fc.record({
      from: word,
      to: word,
      offset: integer,
      replid: word,
      equal: fc.boolean(),
      request: fc.option(word),
    }),
  ),
  released: fc.option(fc.record({ by: word, position: fc.option(position), clean: fc.boolean() })),
  paused: fc.boolean(),
});

/** As the server would store and return it. */
function stored(body: unknown): ApiObject {
  const object = JSON.parse(JSON.stringify(body)) as ApiObject;
  return { ...object, metadata: { ...object.metadata, uid: "u", resourceVersion: "7" } };
}

function leaseWith(fields: { spec?: unknown; annotations?: unknown }): ApiObject {
  const metadata = { uid: "u", resourceVersion: "7", annotations: fields.annotations };
  return { metadata, spec: fields.spec } as unknown as ApiObject;
}

const NOW = new Date("2026-11-25T15:46:01.548Z");
const bodyOf = (sent: LeaseRecord, base: ApiObject | null = null, acquires = false): ApiObject =>
  leaseOf({ record: sent, base, acquires, now: NOW, group: "orders" }) as ApiObject;

const NOBODY: LeaseRecord = {
  holder: null,
  durationMs: 0,
  transitions: 0,
  epoch: 0,
  attempt: null,
  lineage: [],
  members: {},
  position: null,
  handover: null,
  released: null,
  paused: false,
};
const HELD: LeaseRecord = { ...NOBODY, holder: "orders-0_u_n", durationMs: 5000, attempt: "n.1" };

describe("a record", () => {
  test("comes back as it was written", () => {
    fc.assert(
      fc.property(record, (sent) => {
        expect(recordOf(stored(bodyOf(sent)))).toEqual(sent);
      }),
    );
  });

  test("comes back as it was written over any other record", () => {
    fc.assert(
      fc.property(record, record, (first, second) => {
        const base = stored(bodyOf(first));
        expect(recordOf(stored(bodyOf(second, base)))).toEqual(second);
      }),
    );
  });

  test("of whole seconds is rounded up, so that others wait rather too long", () => {
    expect(recordOf(stored(bodyOf({ ...HELD, durationMs: 5001 }))).durationMs).toBe(6000);
  });
});

describe("a Lease that somebody else wrote", () => {
  test("never throws, whatever its annotations and fields say", () => {
    const anything = fc.oneof(fc.string(), fc.json(), fc.constant('{"epoch":1}'));
    const annotations = fc.record(
      Object.fromEntries(Object.values(ANNOTATION).map((key) => [key, anything])),
      { requiredKeys: [] },
    );
    const spec = fc.oneof(
      fc.record({
        holderIdentity: fc.anything(),
        leaseDurationSeconds: fc.anything(),
        leaseTransitions: fc.anything(),
      }),
      fc.anything(),
    );
    fc.assert(
      fc.property(annotations, spec, (texts, fields) => {
        const read = recordOf(leaseWith({ annotations: texts, spec: fields }));
        expect(Number.isFinite(read.durationMs) && read.durationMs >= 0).toBe(true);
        expect(Number.isSafeInteger(read.epoch) && read.epoch >= 0).toBe(true);
      }),
    );
  });

  test.each([
    ["no spec", undefined],
    ["null fields", { holderIdentity: null, leaseDurationSeconds: null, leaseTransitions: null }],
    ["an empty holder", { holderIdentity: "", leaseDurationSeconds: 0 }],
    ["fields of other types", { holderIdentity: 7, leaseDurationSeconds: "5" }],
  ])("and that has %s is held by nobody", (_what, spec) => {
    expect(recordOf(leaseWith({ spec }))).toEqual(NOBODY);
  });

  test("as client-go does is read as it is meant", () => {
    const spec = {
      holderIdentity: "kubectl_1234",
      leaseDurationSeconds: 15,
      leaseTransitions: 3,
      acquireTime: "2026-11-25T15:46:01.548123Z",
      renewTime: "2026-11-25T15:46:02.548123Z",
    };
    const read = recordOf(leaseWith({ spec }));
    const expected = { holder: "kubectl_1234", durationMs: 15_000, transitions: 3 };
    expect(read).toEqual({ ...NOBODY, ...expected });
  });

  test.each([
    [ANNOTATION.epoch, "-1"],
    [ANNOTATION.epoch, "1.5"],
    [ANNOTATION.epoch, "9007199254740993"],
    [ANNOTATION.lineage, '[{"epoch":1,"replid":"a","startOffset":0,"parent":null},{"epoch":2}]'],
    [ANNOTATION.members, '{"orders-0":{"attached":true,"position":null},"orders-1":{}}'],
    [ANNOTATION.position, '{"epoch":1,"offset":2,"replid":"a"}'],
    [ANNOTATION.handover, '{"from":"a","to":"b","offset":1,"replid":"c"}'],
    [ANNOTATION.released, '{"by":"a","position":{"epoch":1},"clean":true}'],
    [ANNOTATION.paused, "yes"],
  ])("with the annotation %s: %s counts as without it", (key, text) => {
    expect(recordOf(leaseWith({ annotations: { [key]: text } }))).toEqual(NOBODY);
  });
});

describe("a Lease that we write", () => {
  const foreign = stored({
    metadata: {
      name: "orders",
      labels: { team: "shop" },
      annotations: { "example.com/note": "keep", [ANNOTATION.handover]: "old" },
      ownerReferences: [{ kind: "Thing" }],
      managedFields: [{ manager: "kubectl" }],
    },
    spec: { acquireTime: "2026-11-25T00:00:00.000001Z", strategy: "OldestEmulationVersion" },
  });

  test("keeps labels, annotations, owners and spec fields of others", () => {
    const { metadata, spec } = stored(bodyOf(HELD, foreign));
    expect(metadata.labels).toEqual({ team: "shop", "leasehold.dev/group": "orders" });
    expect(metadata.annotations).toMatchObject({ "example.com/note": "keep" });
    expect(metadata["ownerReferences"]).toEqual([{ kind: "Thing" }]);
    expect(spec).toMatchObject({ strategy: "OldestEmulationVersion" });
  });

  test("takes its own annotations away when they say nothing", () => {
    const { metadata } = stored(bodyOf(HELD, foreign));
    expect(metadata.annotations).not.toHaveProperty(ANNOTATION.handover);
    expect(metadata.annotations).not.toHaveProperty(ANNOTATION.paused);
  });

  test("names version and uid of the object that it replaces", () => {
    const { metadata } = bodyOf(HELD, foreign);
    expect(metadata).toMatchObject({ uid: "u", resourceVersion: "7", managedFields: undefined });
  });

  test("keeps the time of the acquisition until the next one", () => {
    const renewed = { acquireTime: "2026-11-25T00:00:00.000001Z" };
    const now = "2026-11-25T15:46:01.548000Z";
    expect(bodyOf(HELD, foreign)["spec"]).toMatchObject({ ...renewed, renewTime: now });
    expect(bodyOf(HELD, foreign, true)["spec"]).toMatchObject({ acquireTime: now });
  });

  test("has an empty holder and a valid duration when nobody holds it", () => {
    expect(bodyOf(NOBODY)["spec"]).toMatchObject({ holderIdentity: "", leaseDurationSeconds: 1 });
  });
});
