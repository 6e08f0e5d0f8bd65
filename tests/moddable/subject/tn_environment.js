/* A variable of the process's environment, undefined when it is not set: how a test tells the app where to connect to. */
export default function environment(name) {
	return native("xs_tn_environment").call(this, name);
}
