import { describe, expect, test } from "vitest";
import { parseHierarchies } from "../src/cgroups.ts";
import { cgroupMounts } from "../src/configuration.ts";

const BEFORE = "31 23 0:28 / /sys/fs/cgroup";

describe("control groups", () => {
  const v1 = [
    `${BEFORE} rw,relatime - tmpfs tmpfs rw,mode=755`,
    `${BEFORE}/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct`,
    `${BEFORE}/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd`,
    `${BEFORE}/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate`,
    "32 23 0:29 / /mnt/cgroup rw - cgroup cgroup rw,freezer",
    "40 23 8:1 / / rw,relatime - ext4 /dev/sda1 rw",
    "",
  ].join("\n");

  test("of version 1 are found with the options that mount them again", () => {
    expect(parseHierarchies(v1)).toEqual([
      { mountPoint: "/sys/fs/cgroup/cpu,cpuacct", version: 1, options: "cpu,cpuacct" },
      { mountPoint: "/sys/fs/cgroup/systemd", version: 1, options: "none,name=systemd" },
      { mountPoint: "/sys/fs/cgroup/unified", version: 2, options: "" },
    ]);
  });

  test("of version 1 need a folder to be mounted in, those of version 2 do not", () => {
    expect(cgroupMounts(parseHierarchies(v1)).split("\n")).toEqual([
      "tmpfs /sys/fs/cgroup mode=755",
      "cgroup /sys/fs/cgroup/cpu,cpuacct cpu,cpuacct",
      "cgroup /sys/fs/cgroup/systemd none,name=systemd",
      "cgroup2 /sys/fs/cgroup/unified",
      "",
    ]);
    const v2 = parseHierarchies(`${BEFORE} rw - cgroup2 cgroup2 rw,nsdelegate`);
    expect(cgroupMounts(v2)).toBe("cgroup2 /sys/fs/cgroup\n");
  });
});
