/** A verified token. It says nothing of itself where it is printed, logged or serialised. */
export class UserToken {
	readonly #jwt: string;
	readonly issuedAtS: number;
	readonly expiresAtS: number;

	constructor(jwt: string, issuedAtS: number, expiresAtS: number) {
		this.#jwt = jwt;
		this.issuedAtS = issuedAtS;
		this.expiresAtS = expiresAtS;
	}

	/** For the one who trades it for credentials. */
	reveal(): string {
		return this.#jwt;
	}

	/**
	 * Is it of more use than `other`? A token that ends later is; of two that end together, the one
	 * made later.
	 */
	isNewerThan(other: UserToken): boolean {
		if (this.expiresAtS !== other.expiresAtS) return this.expiresAtS > other.expiresAtS;
		return this.issuedAtS > other.issuedAtS;
	}
}
