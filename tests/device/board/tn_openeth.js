/** The emulated board's network. Each body is one native call. */

/** Brings it up, with an address by DHCP. */
export function start() {
	return native("xs_tn_openeth_start").call(this);
}

/** @returns its IPv4 address, undefined while there is none */
export function address() {
	return native("xs_tn_openeth_address").call(this);
}
