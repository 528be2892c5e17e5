import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { MemberReport, Peer } from "@leasehold/replication";
import { createGroupReports } from "../src/http/group-reports.ts";
import { REPLICA } from "./fixtures.ts";

const peer = (member: string): Peer => ({ member, host: "10.0.0.2", peerPort: 8009 });
let asked: string[] = [];
let answers: (member: string) => Promise<MemberReport | null>;
const client = {
  report: ({ member }: Peer) => {
    asked.push(member);
    return answers(member);
  },
};

beforeEach(() => {
  vi.useFakeTimers();
  asked = [];
  answers = (member) => Promise.resolve({ ...REPLICA, member });
});
afterEach(() => {
  vi.useRealTimers();
});

it("asks everybody once for any number of readers at the same moment", async () => {
  const reports = createGroupReports(client, () => [peer("orders-1"), peer("orders-2")]);
  await Promise.all([reports.refresh(), reports.refresh(), reports.refresh()]);
  await reports.refresh();
  expect(asked).toEqual(["orders-1", "orders-2"]);
  expect(reports.current().map((report) => report.member)).toEqual(["orders-1", "orders-2"]);
});

it("asks again a little later", async () => {
  const reports = createGroupReports(client, () => [peer("orders-1")]);
  await reports.refresh();
  vi.advanceTimersByTime(500);
  await reports.refresh();
  expect(asked).toHaveLength(2);
});

it("shows the last report of a silent member for a while, then none", async () => {
  const reports = createGroupReports(client, () => [peer("orders-1")]);
  await reports.refresh();
  answers = () => Promise.resolve(null);
  vi.advanceTimersByTime(3_000);
  await reports.refresh();
  expect(reports.current()).toHaveLength(1);
  vi.advanceTimersByTime(1);
  expect(reports.current()).toEqual([]);
});

it("does not show a member that is no longer one", async () => {
  let others = [peer("orders-1"), peer("orders-2")];
  const reports = createGroupReports(client, () => others);
  await reports.refresh();
  others = [peer("orders-1")];
  expect(reports.current().map((report) => report.member)).toEqual(["orders-1"]);
});

it("counts a report's age from the question on", async () => {
  const reports = createGroupReports(client, () => [peer("orders-1")]);
  answers = async (member) => {
    vi.advanceTimersByTime(200);
    return { ...REPLICA, member };
  };
  await reports.refresh();
  vi.advanceTimersByTime(100);
  expect([reports.ageMs("orders-1"), reports.ageMs("orders-2")]).toEqual([300, 0]);
});
