/**
 * A URL as people paste it, without a password (`https://key:secret@host`) and without the
 * signature of a presigned URL.
 */
export function withoutSecrets(url: string): string {
	return url.replace(/^([a-z0-9+.-]+:\/\/)?[^/]*@/i, "$1…@").replace(/\?.*/s, "?…");
}
