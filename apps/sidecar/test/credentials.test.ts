import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { renderAclFile, setUserCommand } from "../src/auth/acl.ts";
import { deriveCredentials, hashOf, type CredentialSources } from "../src/auth/credentials.ts";
import { readSecretFile } from "../src/auth/secret-file.ts";
import { readSecrets } from "../src/auth/secrets.ts";
import { readSettings } from "../src/settings/settings.ts";

const SOURCES: CredentialSources = {
  scope: "shop/orders",
  password: "app",
  internalKey: "key",
  defaultUserRules: "~* +@all",
  others: [{ name: "metrics", rules: "+info", password: "m" }],
};

describe("derived credentials", () => {
  it("are the same for all members of a group and for no other group", () => {
    expect(deriveCredentials(SOURCES)).toEqual(deriveCredentials(SOURCES));
    const other = deriveCredentials({ ...SOURCES, scope: "stage/orders" });
    const one = deriveCredentials(SOURCES);
    expect(other.agentPassword).not.toBe(one.agentPassword);
    expect(other.peerKey.equals(one.peerKey)).toBe(false);
    expect(other.fingerprint).not.toBe(one.fingerprint);
  });

  it("give each use its own secret", () => {
    const { agentPassword, replicationPassword, peerKey, fingerprint } = deriveCredentials(SOURCES);
    const all = [agentPassword, replicationPassword, peerKey.toString("base64url"), fingerprint];
    expect(new Set([...all, "key", "app"]).size).toBe(6);
  });

  it("have another fingerprint after any password changed", () => {
    const changed = [
      { password: "other" },
      { internalKey: "other" },
      { others: [{ name: "metrics", rules: "+info", password: "other" }] },
    ].map((part) => deriveCredentials({ ...SOURCES, ...part }).fingerprint);
    expect(new Set([deriveCredentials(SOURCES).fingerprint, ...changed]).size).toBe(4);
  });

  it("say when the internal key is only derived, and then depend on the password", () => {
    const derived = deriveCredentials({ ...SOURCES, internalKey: null });
    expect(derived.keyIsDerived).toBe(true);
    const other = deriveCredentials({ ...SOURCES, internalKey: null, password: "other" });
    expect(other.agentPassword).not.toBe(derived.agentPassword);
  });
});

describe("the file of users", () => {
  const { users } = deriveCredentials(SOURCES);
  const acl = users.map(({ name, rules, hash }) => ({ name, rules, hashes: [hash] }));

  it("has a line for each user, with hashes and without a password", () => {
    const lines = renderAclFile(acl).trimEnd().split("\n");
    expect(lines.map((line) => line.split(" ").slice(0, 3).join(" "))).toEqual([
      "user default on",
      "user leasehold on",
      "user leasehold-replication on",
      "user metrics on",
    ]);
    expect(lines[3]).toBe(`user metrics on #${hashOf("m")} +info`);
    expect(lines[0]).toContain(`#${hashOf("app")} ~* +@all`);
  });

  it("and the command for a running Redis say the same of a user", () => {
    const [, , , metrics] = acl;
    expect(setUserCommand(metrics!)).toEqual([
      ...["ACL", "SETUSER", "metrics", "reset", "on"],
      ...[`#${hashOf("m")}`, "+info"],
    ]);
  });

  it("takes rules that were written on several lines", () => {
    const user = { name: "default", hashes: ["ff"], rules: " ~*\n  +@all\t-@admin\n" };
    expect(renderAclFile([user])).toBe("user default on #ff ~* +@all -@admin\n");
    expect(setUserCommand(user).slice(4)).toEqual(["on", "#ff", "~*", "+@all", "-@admin"]);
  });
});

describe("files with secrets", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "leasehold-secrets-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function file(name: string, content: string): string {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  }

  async function secretsWith(auth: Record<string, unknown>) {
    const outcome = await readSettings({
      fileText: JSON.stringify({
        group: "orders",
        namespace: "shop",
        member: { name: "orders-0", podUid: "u", host: "10.0.0.7" },
        auth: { enabled: true, ...auth },
      }),
      environment: {},
    });
    if (!outcome.ok) throw new Error(outcome.errors.join("\n"));
    return readSecrets(outcome.settings);
  }

  it("lose the end of their line and nothing else", async () => {
    expect(await readSecretFile(file("a", " hush \n"), "k")).toBe(" hush ");
    expect(await readSecretFile(file("b", "hush\r\n"), "k")).toBe("hush");
    expect(await readSecretFile(join(folder, "none"), "k")).toBeNull();
  });

  it("are refused by name when they are empty or too long, without what is in them", async () => {
    const empty = readSecretFile(file("empty", "\n"), "auth.passwordFile");
    await expect(empty).rejects.toThrow("auth.passwordFile");
    await expect(empty).rejects.toThrow("is empty: put the secret there");
    const long = readSecretFile(file("long", "x".repeat(70_000)), "auth.passwordFile");
    await expect(long).rejects.toThrow("is longer than 65536 bytes");
    await expect(long).rejects.not.toThrow("xxx");
  });

  it("are read for every user", async () => {
    const { credentials } = await secretsWith({
      passwordFile: file("app", "app\n"),
      internalKeyFile: file("key", "key\n"),
      users: [`metrics ${file("m", "m\n")} -@all +info`],
    });
    expect(credentials?.users.map(({ name }) => name)).toEqual([
      "default",
      "leasehold",
      "leasehold-replication",
      "metrics",
    ]);
    expect(credentials?.users[3]).toEqual({
      name: "metrics",
      rules: "-@all +info",
      hash: hashOf("m"),
    });
    expect(credentials?.keyIsDerived).toBe(false);
  });

  it("may lack the internal key, but no password", async () => {
    const passwordFile = file("app", "app");
    const { credentials } = await secretsWith({
      passwordFile,
      internalKeyFile: join(folder, "none"),
    });
    expect(credentials?.keyIsDerived).toBe(true);
    const none = secretsWith({ passwordFile: join(folder, "none") });
    await expect(none).rejects.toThrow(/auth\.passwordFile .* is not there: mount the Secret/);
    const user = secretsWith({ passwordFile, users: [`metrics ${folder}/none +info`] });
    await expect(user).rejects.toThrow(/the password of metrics .* is not there/);
  });

  it("that cannot be read say why", async () => {
    // Root reads every file, but no folder.
    await expect(readSecretFile(folder, "auth.passwordFile")).rejects.toThrow(
      /auth\.passwordFile .* cannot be read: .*EISDIR/,
    );
  });
});
