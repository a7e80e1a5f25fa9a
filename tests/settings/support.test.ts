import { describe, expect, it } from "vitest";
import { supportWarnings } from "../../settings/support.ts";

const at = (istio: string, certManager: string, today = "2025-01-01") =>
  supportWarnings({ istio, certManager }, new Date(today));

describe("what the makers of the charts support", () => {
  it("is past its end from the day after its last", () => {
    expect(at("1.26.4", "v1.20.0", "2025-12-22T23:59:59Z")).toEqual([]);
    expect(at("1.26.4", "v1.20.0", "2025-12-23T00:00:00Z")).toEqual([
      "Istio 1.26.4 is past its end of support, 2025-12-22; choose a newer version in charts",
    ]);
  });

  it.each(
    ["1.26.4", "1.27.0", "1.28.0", "1.29.0", "1.30.0", "1.31.4"].flatMap((istio) =>
      ["v1.20.0", "v1.21.2"].map((certManager) => [istio, certManager] as const),
    ),
  )("has a Kubernetes minor in common: Istio %s and cert-manager %s", (istio, certManager) => {
    expect(at(istio, certManager)).toEqual([]);
  });

  // All of the table's pairs have one, so only another table shows the warning about that.
  it("may have no Kubernetes minor in common", () => {
    expect(
      supportWarnings({ istio: "1.31.4", certManager: "v1.20.0" }, new Date("2026-11-23"), {
        Istio: { "1.31": { kubernetes: [36, 37] } },
        "cert-manager": { "1.20": { kubernetes: [32, 35] } },
      }),
    ).toEqual([
      "no Kubernetes minor is supported by both Istio 1.31.4 (1.36 to 1.37) and cert-manager v1.20.0 (1.32 to 1.35)",
    ]);
  });

  it("is not known of other versions", () => {
    expect(at("9.9.9", "v9.9.9")).toEqual([
      "what Istio 9.9.9 supports, and until when, is not known to this program",
      "what cert-manager v9.9.9 supports, and until when, is not known to this program",
    ]);
  });
});
