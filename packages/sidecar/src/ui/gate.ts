/**
 * Who may ask the page's server: a request to the name of this start, from the page itself, with the
 * token.
 *
 * A page of another site can send requests to a loopback address. It cannot read the token, which
 * is in the URL's fragment and never sent as part of a URL or a cookie. With DNS rebinding it could
 * pass as the same origin, but the Host header would name its own site.
 *
 * What another program served on the same port earlier stays in the browser: a service worker of
 * `http://127.0.0.1:PORT` would see the token. So each start has an origin that never was before.
 * Does NOT protect against a process of the same user, which can read the store anyway.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { thisEnvironment } from "../commit/environment.ts";

export const TOKEN_BYTES = 32;

export function newToken(): string {
	return thisEnvironment.randomBytes(TOKEN_BYTES).toString("base64url");
}

/** Browsers take every name below `localhost` for this machine, without asking anybody. */
export function newHostName(): string {
	return `${thisEnvironment.randomBytes(16).toString("hex")}.localhost`;
}

export interface Asking {
	/** By lower-case name. */
	header(name: string): string | undefined;
	/** Of the server: name and port. */
	readonly host: string;
}

/** Why the server must not answer at all; undefined if it may. */
export function whyForeign({ header, host }: Asking): string | undefined {
	if (header("host") !== host) return "the Host header names another site";
	const origin = header("origin");
	if (origin !== undefined && origin !== `http://${host}`)
		return "the Origin header names another site";
	return undefined;
}

/**
 * Whether a page of another site made the request. Browsers say so; others send nothing, and have
 * no token.
 */
export function isCrossSite({ header }: Asking): boolean {
	const site = header("sec-fetch-site");
	return site !== undefined && site !== "same-origin";
}

/** Takes the same time whatever was sent. */
export function hasToken({ header }: Asking, token: string): boolean {
	const sent = /^Bearer (.{1,200})$/.exec(header("authorization") ?? "")?.[1] ?? "";
	return timingSafeEqual(digest(sent), digest(token));
}

/** Of one length, as the comparison needs. */
function digest(text: string): Buffer {
	return createHash("sha256").update(text).digest();
}

/** Of every answer. The page has no inline script or style, and asks nobody but this server. */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
	"content-security-policy": [
		"default-src 'none'",
		"script-src 'self'",
		"style-src 'self'",
		"connect-src 'self'",
		// Previews: an image that was fetched with the token. As an image, SVG runs no script.
		"img-src 'self' blob: data:",
		"base-uri 'none'",
		"form-action 'none'",
		"frame-ancestors 'none'",
		"require-trusted-types-for 'script'",
		// The page's only worker, whose address the policy of that name fixes.
		"trusted-types worker",
	].join("; "),
	"cache-control": "no-store",
	"cross-origin-embedder-policy": "require-corp",
	"cross-origin-opener-policy": "same-origin",
	"cross-origin-resource-policy": "same-origin",
	"permissions-policy": "camera=(), geolocation=(), microphone=(), usb=()",
	"referrer-policy": "no-referrer",
	"x-content-type-options": "nosniff",
	"x-frame-options": "DENY",
};
