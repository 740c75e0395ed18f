/** Is this the address of a process on this machine? IPv4 may appear as `::ffff:127.0.0.1`. */
export function isLoopback(address: string | undefined): boolean {
	return (
		address !== undefined && /^(?:::1|(?:::ffff:)?127\.\d{1,3}\.\d{1,3}\.\d{1,3})$/i.test(address)
	);
}

/**
 * Does a Host header name this machine? A page in the agent's browser can reach loopback, but under
 * the page's own host name.
 */
export function isLoopbackHost(host: string | undefined): boolean {
	return (
		host !== undefined &&
		/^(?:localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])(?::\d{1,5})?$/i.test(host)
	);
}
