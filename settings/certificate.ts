import * as v from "valibot";
import { oneOf, says, section } from "./fields.ts";

export const certificate = says(
  "The certificate of all hosts.",
  section({
    key: says(
      "Its key. ecdsa-p256 costs the gateway a third of what rsa-2048 does for a handshake; rsa-2048 is for clients from before 2014. On a running stack another one has the certificate issued anew, once.",
      v.optional(oneOf("ecdsa-p256", "rsa-2048"), "ecdsa-p256"),
    ),
  }),
);

/** The certificate of all hosts. */
export type CertificateSettings = v.InferOutput<typeof certificate>;
