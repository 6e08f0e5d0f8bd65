/* What a test has to know of the app's process. */

/* A variable of its environment, undefined when it is not set: where to connect to. */
export function environment(name) {
	return native("xs_tn_environment").call(this, name);
}

/* Bytes that C code has allocated and not freed, everything in the process together. */
export function mallocedBytes() {
	return native("xs_tn_malloced_bytes").call(this);
}

/* Times that nodes of this process woke a VM. */
export function wakes() {
	return native("xs_tn_wakes").call(this);
}
