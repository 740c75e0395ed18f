/** What of an agent's request is forwarded. Pure: everything that is not listed here is dropped. */
import type { IncomingHttpHeaders } from "node:http";
import { SidecarError } from "../errors.ts";
import type { ModelApi, Route, Upstream } from "./upstream.ts";

/** The version that both of Bedrock's endpoints and Anthropic's own accept. */
const ANTHROPIC_VERSION = "2023-06-01";
const FORWARDED = ["accept", "anthropic-version", "anthropic-beta"];
/** Request ids, and what a client needs to know for a retry. */
const RETURNED = [
	"content-type",
	"content-length",
	"content-encoding",
	"cache-control",
	"retry-after",
	"x-should-retry",
	"request-id",
	"x-request-id",
	"x-amzn-requestid",
];

/**
 * By the exact text of the request line: no decoding, no normalisation. Clients of Anthropic's beta
 * APIs add `?beta=true`, which the path serves without.
 */
export function routeOf(
	upstream: Upstream,
	method: string | undefined,
	target: string | undefined,
): Route | undefined {
	return method === "POST"
		? upstream.routes.get(target?.replace(/\?beta=true$/, "") ?? "")
		: undefined;
}

/** `accept-encoding: identity`, because the usage is read from the answer. */
export function forwardedHeaders(
	api: ModelApi,
	given: IncomingHttpHeaders,
): Record<string, string> {
	return {
		...(api === "anthropic-messages" && { "anthropic-version": ANTHROPIC_VERSION }),
		...picked(given, FORWARDED),
		"content-type": "application/json",
		"accept-encoding": "identity",
	};
}

export function returnedHeaders(given: IncomingHttpHeaders): Record<string, string> {
	return picked(given, RETURNED);
}

function picked(given: IncomingHttpHeaders, names: readonly string[]): Record<string, string> {
	const values = names.flatMap((name) => {
		const value = given[name];
		return typeof value === "string" ? [[name, value] as const] : [];
	});
	return Object.fromEntries(values);
}

export interface ModelRequest {
	readonly model: string;
	/** Each key of an object once: what was checked is what is sent. */
	readonly body: Buffer;
}

/** A number is kept as it was written: JSON schemas have some that no double can hold. */
type WithSource = { readonly source: string };
const { rawJSON } = JSON as unknown as { readonly rawJSON: (text: string) => unknown };
const exactNumbers = (_: string, value: unknown, ...[context]: readonly WithSource[]) =>
	typeof value === "number" && context !== undefined && String(value) !== context.source
		? rawJSON(context.source)
		: value;

/** Providers know more names, and some read names in any case: each would pass `--model-ids` by. */
const OTHER_MODELS = /^(model|models|fallbacks|fallback_models)$/i;

/**
 * Serializes the parsed body again. A parser that takes the first of two `model` keys would otherwise see
 * another model than this one, which takes the last.
 *
 * @throws SidecarError MODEL_REQUEST_REFUSED
 */
export function modelRequest(text: string): ModelRequest {
	let body: Buffer;
	let model: unknown;
	let parsed: { readonly model?: unknown } | null;
	try {
		parsed = JSON.parse(text, exactNumbers);
		model = parsed?.model;
		body = Buffer.from(JSON.stringify(parsed));
	} catch {
		throw new SidecarError("MODEL_REQUEST_REFUSED", { reason: "the body is not JSON" });
	}
	const others = Object.keys(parsed ?? {}).filter(
		(key) => OTHER_MODELS.test(key) && key !== "model",
	);
	if (others.length > 0)
		throw new SidecarError("MODEL_REQUEST_REFUSED", {
			value: others.join(", "),
			reason: "only `model` may name a model",
		});
	if (typeof model !== "string" || !/^[A-Za-z0-9][\w.:/@-]{0,299}$/.test(model))
		throw new SidecarError("MODEL_REQUEST_REFUSED", { reason: "`model` is not a model's id" });
	return { model, body };
}

/** @param allowed ids, or beginnings followed by `*`; undefined: every model */
export function isAllowed(model: string, allowed: readonly string[] | undefined): boolean {
	if (allowed === undefined) return true;
	return allowed.some((entry) =>
		entry.endsWith("*") ? model.startsWith(entry.slice(0, -1)) : model === entry,
	);
}
