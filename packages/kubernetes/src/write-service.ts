/**
 * The write Service as far as slices depend on it: its uid (owner of the slices), its families
 * and the port name that the slices must repeat for kube-proxy to believe them.
 */
import { objectIn, wordsOfAnswer } from "./api/answer.ts";
import { isRecord, listAt, numberAt, recordAt, textAt } from "./api/object.ts";
import { objectPath } from "./paths.ts";
import type { ApiClient } from "./api/client.ts";
import type { ApiObject } from "./api/object.ts";
import type { Family } from "./names.ts";

export interface ServicePort {
  /** Empty: the Service's one port has no name. */
  readonly name: string;
  readonly appProtocol: string | null;
}

/** One that leads to another port of the same pod, such as one without TLS. */
export interface FurtherPort extends ServicePort {
  readonly port: number;
}

export interface WriteService {
  readonly name: string;
  readonly uid: string;
  /** Its first one is its primary family. */
  readonly families: readonly Family[];
  /** Leads to the address that the protocol names. */
  readonly redisPort: ServicePort;
  /** All others that have a name and a number to lead to. */
  readonly furtherPorts: readonly FurtherPort[];
}

export interface WriteServiceSource {
  /**
   * As read at most a minute ago, for changed families. Rejects with a sentence if it does not
   * exist, has no port, or the API does not answer.
   */
  fresh(deadlineMs: number): Promise<WriteService>;
  /** As read at any time, so that nobody waits for it while a slice is urgent. */
  known(deadlineMs: number): Promise<WriteService>;
  /** To be read again: what depends on it was refused. */
  forget(): void;
}

const MAX_AGE_MS = 60_000;

export function createWriteServiceSource(client: ApiClient, name: string): WriteServiceSource {
  let service: WriteService | null = null;
  let readAtMs = 0;

  async function fresh(deadlineMs: number): Promise<WriteService> {
    if (service && performance.now() - readAtMs < MAX_AGE_MS) return service;
    service = await readWriteService(client, name, deadlineMs);
    readAtMs = performance.now();
    return service;
  }

  return {
    fresh,
    known: (deadlineMs) => (service ? Promise.resolve(service) : fresh(deadlineMs)),
    forget() {
      service = null;
    },
  };
}

async function readWriteService(
  client: ApiClient,
  name: string,
  deadlineMs: number,
): Promise<WriteService> {
  const path = objectPath("services", client.namespace, name);
  const answer = await client.request({ method: "GET", path, deadlineMs });
  const object = objectIn(answer, 200);
  if (object) return serviceOf(object, name);
  throw new Error(
    `the write Service ${client.namespace}/${name} was not read (${wordsOfAnswer(answer)}): ` +
      `it must exist, without a selector, before anybody can lead`,
  );
}

function serviceOf(object: ApiObject, name: string): WriteService {
  const spec = recordAt(object, "spec");
  const ports = listAt(spec, "ports");
  const port = ports.find((item) => textAt(item, "name") === "redis") ?? ports[0];
  if (!isRecord(port)) {
    throw new Error(`the write Service ${name} has no port: give it one named redis`);
  }
  const listed = listAt(spec, "ipFamilies").filter(
    (family): family is Family => family === "IPv4" || family === "IPv6",
  );
  return {
    name,
    uid: object.metadata.uid,
    families: listed.length > 0 ? listed : ["IPv4"],
    redisPort: servicePortOf(port),
    furtherPorts: ports.filter((other) => other !== port).flatMap(furtherPortOf),
  };
}

function servicePortOf(port: unknown): ServicePort {
  return { name: textAt(port, "name") ?? "", appProtocol: textAt(port, "appProtocol") };
}

/** Without a selector only the sidecar knows the pod, and no name of a container's port. */
function furtherPortOf(item: unknown): readonly FurtherPort[] {
  const port = numberAt(item, "targetPort");
  const common = servicePortOf(item);
  return port === null || common.name === "" ? [] : [{ ...common, port }];
}
