import { describe, expect, test } from "vitest";
import { controlField, realPackage } from "./apt.js";

const stanza = (depends: string): string =>
  `Package: x\nVersion: 6.1.1-1\nDepends: ${depends}\nDescription: first\n second\n third\nSize: 12\n`;

describe("package records", () => {
  test("a metapackage stands for the versioned kernel it depends on", () => {
    expect(realPackage("linux-image-cloud-amd64", stanza("linux-image-6.1.0-50-cloud-amd64 (= 6.1.176-1)"))).toBe(
      "linux-image-6.1.0-50-cloud-amd64",
    );
    expect(realPackage("linux-image-686", stanza("linux-image-6.1.0-50-686 (= 6.1.176-1), other"))).toBe("linux-image-6.1.0-50-686");
  });

  test("real packages stand for themselves", () => {
    expect(realPackage("linux-image-6.1.0-50-686", stanza("kmod, linux-base"))).toBe("linux-image-6.1.0-50-686");
    expect(realPackage("busybox-static", stanza("linux-image-6.1.0-50-686"))).toBe("busybox-static");
  });

  test("fields are read with their continuation lines", () => {
    expect(controlField(stanza("a"), "Description")).toBe("first\n second\n third");
    expect(controlField(stanza("a"), "Size")).toBe("12");
    expect(controlField(stanza("a"), "Missing")).toBeUndefined();
  });
});
