/** A verified token. It reveals nothing when it is printed, logged or serialised. */
export class UserToken {
	readonly #jwt: string;
	readonly issuedAtS: number;
	readonly expiresAtS: number;

	constructor(jwt: string, issuedAtS: number, expiresAtS: number) {
		this.#jwt = jwt;
		this.issuedAtS = issuedAtS;
		this.expiresAtS = expiresAtS;
	}

	/** For trading it for credentials. */
	reveal(): string {
		return this.#jwt;
	}

	/**
	 * Is it more useful than `other`? The token that expires later is; if both expire together, the
	 * one issued later.
	 */
	isNewerThan(other: UserToken): boolean {
		if (this.expiresAtS !== other.expiresAtS) return this.expiresAtS > other.expiresAtS;
		return this.issuedAtS > other.issuedAtS;
	}
}
