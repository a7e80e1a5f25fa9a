import { join } from "node:path";
import { type Binary, type FindOptions, findBinary, pinOf } from "../../sandbox/binary.ts";

// The API server and the etcd that keeps its objects, of the versions that the go.mod beside this file pins.

const BY = "API server for the tests";
const goMod = join(import.meta.dirname, "go.mod");

const KUBERNETES = pinOf(goMod, "k8s.io/kubernetes");
const [MAJOR = "", MINOR = ""] = KUBERNETES.split(".");
const architectures: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };

/**
 * Finds a kube-apiserver of the pinned minor: on PATH, in the cache, by the official download, or built.
 *
 * @throws Error when no way works, with the reason for each and what to do.
 */
export const findKubeApiserver = (options?: FindOptions): Promise<Binary> =>
  findBinary(
    {
      by: BY,
      name: "kube-apiserver",
      purpose: BY,
      executable: "kube-apiserver",
      version: KUBERNETES,
      check: {
        args: ["--version"],
        read: (output) => new RegExp(`^Kubernetes v(${MAJOR}\\.${MINOR}\\.\\S+)$`).exec(output)?.[1],
        allowed: `version ${MAJOR}.${MINOR}`,
      },
      release: {
        directory: `https://dl.k8s.io/v${KUBERNETES}/bin/linux/${architectures[process.arch]}`,
        file: (platform, arch) => (platform === "linux" && arch in architectures ? "kube-apiserver" : undefined),
        covers: "linux on x64 and arm64",
        checksums: (file) => `${file}.sha256`,
      },
      source: {
        directory: import.meta.dirname,
        package: "k8s.io/kubernetes/cmd/kube-apiserver",
        // What Kubernetes' own build sets; without them it would be v0.0.0-master+$Format:%H$:
        // https://github.com/kubernetes/kubernetes/blob/v1.34.4/hack/lib/version.sh
        ldflags: [
          "-s -w",
          `-X k8s.io/component-base/version.gitVersion=v${KUBERNETES}`,
          `-X k8s.io/component-base/version.gitMajor=${MAJOR}`,
          `-X k8s.io/component-base/version.gitMinor=${MINOR}`,
        ].join(" "),
        takes: "five to nine minutes on two cores",
      },
      install: `install kube-apiserver ${MAJOR}.${MINOR}: https://kubernetes.io/releases/download/`,
    },
    options,
  );

const charts = join(import.meta.dirname, "chart");
const HELM = pinOf(join(charts, "go.mod"), "helm.sh/helm/v3");

/**
 * Finds what renders charts: in the cache, or built.
 *
 * @throws Error when neither works, with the reason for each and what to do.
 */
export const findRenderer = (options?: FindOptions): Promise<Binary> =>
  findBinary(
    {
      by: BY,
      name: "the renderer of charts",
      purpose: "renderer of charts for the tests",
      executable: "oke-platform-chart",
      version: HELM,
      check: {
        args: ["--version"],
        read: (output) => (output === HELM ? HELM : undefined),
        allowed: `version ${HELM}`,
      },
      source: {
        directory: charts,
        package: ".",
        ldflags: `-s -w -X main.version=${HELM}`,
        takes: "about a minute on two cores",
      },
      install: "let this machine reach a Go module proxy: https://proxy.golang.org",
    },
    options,
  );

/**
 * Finds what checks the types of policies as the controller manager does: in the cache, or built.
 *
 * @throws Error when neither works, with the reason for each and what to do.
 */
export const findTypeChecker = (options?: FindOptions): Promise<Binary> =>
  findBinary(
    {
      by: BY,
      name: "the type checker of policies",
      purpose: "type checker of policies for the tests",
      executable: "oke-platform-typecheck",
      version: KUBERNETES,
      check: {
        args: ["--version"],
        read: (output) => (output === KUBERNETES ? KUBERNETES : undefined),
        allowed: `version ${KUBERNETES}`,
      },
      source: {
        directory: import.meta.dirname,
        package: "./typecheck",
        ldflags: `-s -w -X main.version=${KUBERNETES}`,
        takes: "a minute on two cores, once the API server is built",
      },
      install: "let this machine reach a Go module proxy: https://proxy.golang.org",
    },
    options,
  );

/** The oldest that this kube-apiserver was seen to run on is Debian 12's; its own build tests with the pinned one. */
const oldestEtcd = { major: 3, minor: 4 };

/**
 * Finds an etcd: on PATH (Debian's package etcd-server, for one), in the cache, or built.
 *
 * @throws Error when no way works, with the reason for each and what to do.
 */
export const findEtcd = (options?: FindOptions): Promise<Binary> =>
  findBinary(
    {
      by: BY,
      name: "etcd",
      purpose: "etcd for the tests' API server",
      executable: "etcd",
      version: pinOf(goMod, "go.etcd.io/etcd/server/v3"),
      check: {
        args: ["--version"],
        read: (output) => {
          const [, version, major, minor] = /^etcd Version: ((\d+)\.(\d+)\.\S+)/.exec(output) ?? [];
          return Number(major) === oldestEtcd.major && Number(minor) >= oldestEtcd.minor ? version : undefined;
        },
        allowed: `version ${oldestEtcd.major}.${oldestEtcd.minor} or newer, below ${oldestEtcd.major + 1}`,
      },
      source: {
        directory: import.meta.dirname,
        package: "go.etcd.io/etcd/server/v3",
        ldflags: "-s -w",
        takes: "about a minute on two cores",
      },
      install: "install etcd, such as Debian's package etcd-server: https://etcd.io/docs/latest/install/",
    },
    options,
  );
