/** What the relay says where a source that should speak TLS is none that is trusted. */
import { once } from "node:events";
import { connect, type AddressInfo } from "node:net";
import { createServer } from "node:tls";
import { createLoopbackCertificate } from "@leasehold/testkit/certificate";
import { expect, test, vi } from "vitest";
import { openRelay } from "../src/source/relay.ts";

test.each([
  ["a certificate that nobody knows", { host: "127.0.0.1" }, "self-signed certificate"],
  ["another name", { host: "127.0.0.1", servername: "elsewhere" }, "elsewhere"],
])("the relay leads to no source with %s, and says why", async (_what, names, why) => {
  const { certPem: cert, keyPem: key } = createLoopbackCertificate();
  const trusted = "servername" in names ? cert : createLoopbackCertificate().certPem;
  const source = createServer({ cert, key }, (socket) => socket.destroy());
  source.on("tlsClientError", () => undefined);
  source.listen(0, "127.0.0.1");
  await once(source, "listening");
  const { port } = source.address() as AddressInfo;
  const words = vi.fn<(words: string) => void>();
  const password = async (): Promise<string> => "";
  const secure = async () => ({ ca: trusted, ...names });
  const relay = await openRelay({ host: "127.0.0.1", port, username: "", password, secure }, words);
  const replica = connect(relay.address.port, relay.address.host);
  replica.on("error", () => undefined);
  await once(replica, "close");
  expect(words.mock.lastCall?.[0]).toContain(why);
  relay.close();
  source.close();
});
