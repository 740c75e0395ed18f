/** What signs model requests: one file of the bundle, which few starts need. */
export { Sha256Node } from "@smithy/core/checksum";
export { SignatureV4 } from "@smithy/signature-v4";
