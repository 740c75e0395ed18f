/**
 * Asks a registry for the digest of an image, without a container tool.
 * https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests
 */
import { createHash } from "node:crypto";
import type { Base } from "./base-line.ts";

const LISTS =
	"application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json";
const NEEDED = ["amd64", "arm64"];

interface List {
	readonly manifests?: readonly {
		readonly platform?: { readonly os?: string; readonly architecture?: string };
	}[];
}

/**
 * @returns the digest of the list with one image per architecture, computed from its bytes
 * @throws Error if it cannot be had, or lacks an architecture that we build for
 */
export async function digestOf({ name, tag }: Base, scheme = "https"): Promise<string> {
	const slash = name.indexOf("/");
	const [host, repository] = [name.slice(0, slash), name.slice(slash + 1)];
	const url = `${scheme}://${host}/v2/${repository}/manifests/${tag}`;
	let response = await fetch(url, { headers: { accept: LISTS } });
	if (response.status === 401)
		response = await fetch(url, {
			headers: { accept: LISTS, authorization: `Bearer ${await anonymousToken(response)}` },
		});
	if (!response.ok) throw new Error(`${url} answers ${response.status}`);
	const bytes = Buffer.from(await response.arrayBuffer());
	const list = JSON.parse(bytes.toString()) as List;
	const found = (list.manifests ?? [])
		.filter(({ platform }) => platform?.os === "linux")
		.map(({ platform }) => platform?.architecture);
	const missing = NEEDED.filter((architecture) => !found.includes(architecture));
	if (missing.length > 0) throw new Error(`${name}:${tag} has no image for ${missing.join(", ")}`);
	return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** https://distribution.github.io/distribution/spec/auth/token/ */
async function anonymousToken(refusal: Response): Promise<string> {
	const challenge = refusal.headers.get("www-authenticate") ?? "";
	const { realm, ...parameters } = Object.fromEntries(
		[...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, value]) => [key, value]),
	);
	if (!challenge.startsWith("Bearer ") || realm === undefined)
		throw new Error(`${refusal.url} answers 401 and offers no token`);
	const response = await fetch(`${realm}?${new URLSearchParams(parameters)}`);
	const answer = (await response.json()) as {
		readonly token?: string;
		readonly access_token?: string;
	};
	const token = answer.token ?? answer.access_token;
	if (token === undefined)
		throw new Error(`${realm} answers ${response.status} and gives no token`);
	return token;
}
