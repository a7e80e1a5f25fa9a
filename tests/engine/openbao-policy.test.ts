import { createServer } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { demand } from "../../tools/vault/api.ts";
import { deployPolicy } from "../../tools/vault/policy.ts";
import { type Listener, listening } from "../e2e/cloudflare.ts";
import { bao, begin, copyingRoot, kept, places, setUpOpenBao, status, work } from "./bootstrapping.ts";
import {
  accessRequests,
  backendConfig,
  childOf,
  configRequests,
  escalations,
  failures,
  names,
  never,
  type Request,
  refusals,
  removals,
  secretRequests,
  tokenOf,
} from "./vault-requests.ts";

// The policies of the helper and of the program, by the program's requests, on a real server.

setUpOpenBao();

const theirs = { ...places, access: "managed", kind: "installed" } as const;

let reviewer: Listener | undefined;
afterEach(async () => {
  await reviewer?.close();
  reviewer = undefined;
});

describe("the deploy token", () => {
  it("may do what a run does for a Vault that it manages and installed, and nothing else", async () => {
    await begin();
    const { run, file } = work();
    await run();
    const { deploy_token = "" } = await kept(file);
    const child = await childOf(deploy_token);
    expect(await failures([...accessRequests, ...secretRequests], child)).toEqual([]);
    expect(await refusals(configRequests, child)).toEqual([]);
    // What is there, as a run sees it before anything is registered.
    const listed = await demand<{ data: { secret: object; auth: object } }>(
      bao.api,
      "listing",
      "GET",
      "sys/internal/ui/mounts",
      { token: child },
    );
    expect(listed.data.secret).toMatchObject({ "secret/": { type: "kv", options: { version: "2" } } });
    expect(listed.data.auth).toMatchObject({ "kubernetes/": { type: "kubernetes" } });
    // OpenBao takes audit devices from its configuration alone, and says so to who may ask.
    const audit = { type: "file", description: "", local: false, options: { file_path: "/vault/audit/audit.log" } };
    expect(await bao.api.ask("PUT", "sys/audit/file", { token: child, body: audit })).toMatchObject({ status: 400 });
    expect(await status("GET", "sys/audit", child)).toBe(200);
    expect(await status("DELETE", "sys/audit/file", child)).not.toBe(403);
    expect(await status("PUT", "auth/token/renew-self", deploy_token, {})).toBe(200);

    expect(await refusals(never, child)).toEqual(names(never));
    expect(await refusals(never, deploy_token)).toEqual(names(never));
    expect(await failures(removals, child)).toEqual([]);
  });

  it("cannot write what would make it root", async () => {
    await begin();
    const { run, file } = work();
    await run();
    const { deploy_token = "" } = await kept(file);
    for (const token of [await childOf(deploy_token), deploy_token]) {
      const taken: string[] = [];
      for (const [what, method, path, body] of escalations)
        if ((await status(method, path, token, body)) !== 403) taken.push(what);
      expect(taken).toEqual([]);
    }
  });

  it("takes another team's secret without the pins, and gets no step far with them", async () => {
    await begin();
    const { host } = await tokenReviewer();
    const wide = deployPolicy(theirs).replace(/ {2}allowed_parameters = \{\n[^}]*(\{[^}]*\}[^}]*)*\n {2}\}\n/g, "");
    expect(wide).not.toContain("allowed_parameters");
    const { keys, file } = work();
    const copying = copyingRoot(keys);
    await work({ keys: copying, policy: wide }).run();
    const { root } = copying;
    const deploy = (await kept(file)).deploy_token ?? "";
    const secret: Request = ["PUT", "secret/data/team/other", { data: { password: "theirs" } }];
    expect(await failures([...accessRequests, secret], root)).toEqual([]);
    const steps: Request[] = [
      ["PUT", "sys/policies/acl/external-secrets", { policy: 'path "*" { capabilities = ["read"] }' }],
      ["PUT", "auth/kubernetes/config", backendConfig(host)],
      ["PUT", "auth/kubernetes/role/external-secrets", { bound_service_account_namespaces: ["evil"] }],
    ];
    const take = async () => {
      const refused = await refusals(steps, await childOf(deploy));
      const body = { role: "external-secrets", jwt: tokenOf("evil", "external-secrets") };
      const login = await bao.api.ask<{ auth?: { client_token: string } }>("PUT", "auth/kubernetes/login", { body });
      const token = login.body?.auth?.client_token;
      return { refused, read: token && (await status("GET", "secret/data/team/other", token)) };
    };
    expect(await take()).toEqual({ refused: [], read: 200 });

    await demand(bao.api, "narrowing", "PUT", "sys/policies/acl/oke-platform", {
      token: root,
      body: { policy: deployPolicy(theirs) },
    });
    const mounting = /^sys\/(mounts|auth)\/[^/]+$/;
    expect(
      await failures(
        accessRequests.filter(([, path]) => !mounting.test(path)),
        root,
      ),
    ).toEqual([]);
    expect(await take()).toEqual({ refused: names(steps), read: undefined });
  });

  it("may only write the secret of a Vault whose access is others'", async () => {
    await begin();
    const { keys, file } = work();
    const copying = copyingRoot(keys);
    await work({ keys: copying, policy: deployPolicy({ ...places, access: "existing", kind: "there" }) }).run();
    const { deploy_token = "" } = await kept(file);
    expect(await failures(accessRequests, copying.root)).toEqual([]);
    const child = await childOf(deploy_token);
    expect(await failures(secretRequests, child)).toEqual([]);
    const listed = await demand<{ data: { secret: object } }>(bao.api, "listing", "GET", "sys/internal/ui/mounts", {
      token: child,
    });
    expect(Object.keys(listed.data.secret)).toEqual(["secret/"]);
    const others = [...never, ...accessRequests, ...removals.slice(1)];
    expect(await refusals(others, child)).toEqual(names(others));
    expect(await failures(removals.slice(0, 1), child)).toEqual([]);
  });

  it("writes versions that count up", async () => {
    await begin();
    const { run, file } = work();
    await run();
    const token = await childOf((await kept(file)).deploy_token ?? "");
    expect(await failures(accessRequests, token)).toEqual([]);
    const versions: unknown[] = [];
    for (const value of ["one", "one", "two"]) {
      const body = { data: { "cf-api-token": value } };
      const path = "secret/data/prod/cert-manager";
      const written = await demand<{ data: { version: number } }>(bao.api, "write", "PUT", path, { token, body });
      const read = await demand<{ data: { metadata: { version: number } } }>(bao.api, "read", "GET", path, { token });
      versions.push([written.data.version, read.data.metadata.version]);
    }
    expect(versions).toEqual([
      [1, 1],
      [2, 2],
      [3, 3],
    ]);
  });
});

/** Reviews tokens as the API server does: https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/ */
async function tokenReviewer(): Promise<{ host: string; reviewers: (string | undefined)[] }> {
  const reviewers: (string | undefined)[] = [];
  reviewer = await listening(
    createServer((request, response) => {
      let text = "";
      request.on("data", (chunk) => {
        text += chunk;
      });
      request.on("end", () => {
        reviewers.push(request.headers.authorization);
        const review = JSON.parse(text) as { spec: { token: string } };
        const { sub } = JSON.parse(Buffer.from(review.spec.token.split(".")[1] ?? "", "base64url").toString("utf8"));
        const state = { authenticated: true, user: { username: sub, uid: "1", groups: [] } };
        response.writeHead(201, { "content-type": "application/json" });
        response.end(JSON.stringify({ ...review, status: state }));
      });
    }),
  );
  return { host: `http://127.0.0.1:${reviewer.port}`, reviewers };
}

describe("the role of External Secrets", () => {
  it("is for its one service account, and reads just the one path", async () => {
    await begin();
    const { file, keys } = work();
    const copying = copyingRoot(keys);
    await work({ keys: copying }).run();
    const deploy = await childOf((await kept(file)).deploy_token ?? "");
    expect(await failures([...accessRequests, ...secretRequests], deploy)).toEqual([]);
    const { host, reviewers } = await tokenReviewer();
    const config = backendConfig(host);
    await demand(bao.api, "config", "PUT", "auth/kubernetes/config", { token: copying.root, body: config });

    const login = (namespace: string, name: string) =>
      bao.api.ask<{ auth: { client_token: string; policies: string[]; lease_duration: number } }>(
        "PUT",
        "auth/kubernetes/login",
        { body: { role: "external-secrets", jwt: tokenOf(namespace, name) } },
      );
    const { body } = await login("external-secrets", "external-secrets");
    expect(body?.auth).toMatchObject({ policies: ["default", "external-secrets"], lease_duration: 300 });
    expect(reviewers).toEqual([`Bearer ${config.token_reviewer_jwt}`]);
    for (const [namespace, name] of [
      ["external-secrets", "default"],
      ["default", "external-secrets"],
    ] as const) {
      expect((await login(namespace, name)).status).toBe(403);
    }

    const token = body?.auth.client_token ?? "";
    const read = await demand<{ data: { data: object } }>(bao.api, "read", "GET", "secret/data/prod/cert-manager", {
      token,
    });
    expect(read.data.data).toEqual({ "cf-api-token": "two" });
    const refused: Request[] = [
      ...never.filter(([, path]) => !path.startsWith("cubbyhole/")),
      ...accessRequests,
      ...removals,
      ["PUT", "secret/data/prod/cert-manager", { data: {} }],
      ["GET", "secret/metadata/prod/cert-manager"],
      ["LIST", "secret/metadata/prod/cert-manager"],
      ["PUT", "auth/token/create", {}],
      ["GET", "sys/audit"],
    ];
    expect(await refusals(refused, token)).toEqual(names(refused));
  });
});
