/** The files of the page, as resources of an app are named. The tag is the CRC-32 of the content; a unit test says when it is another one. */

export interface PageFile {
	/** In page/, and among the app's resources. */
	readonly name: string;
	readonly type: string;
	readonly tag: string;
}

/** By path. */
export const pageFiles: Readonly<Record<string, PageFile>> = Object.freeze({
	"/": Object.freeze({ name: "tailnet-status.html", type: "text/html; charset=utf-8", tag: "b71e05c2" }),
	"/status.css": Object.freeze({ name: "tailnet-status.css", type: "text/css; charset=utf-8", tag: "c5c5b6d4" }),
	"/status.js": Object.freeze({ name: "tailnet-status.js", type: "text/javascript; charset=utf-8", tag: "75a3880f" }),
});
