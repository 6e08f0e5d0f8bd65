/**
 * As much of XML as routers speak: elements that hold a text, in the order in which they end. Fed in pieces cut anywhere; keeps one tag and one text.
 * Prefixes, attributes, comments and declarations are passed over.
 */

/** A tag, or a text, of so many characters is no router's. */
const LONGEST = 4_096;

export class XMLReader {
	readonly #onElement: (name: string, text: string) => void;
	/** What has come of a tag that is not complete. */
	#rest = "";
	#text = "";
	/** Name of the last tag if it opened an element: what ends next has a text, and no elements in it. */
	#open = "";

	/** @param onElement an element has ended; text is "" if there were elements in it */
	constructor(onElement: (name: string, text: string) => void) {
		this.#onElement = onElement;
	}

	/** @returns false where it goes beyond every measure: nothing more is to be pushed */
	push(piece: string): boolean {
		const all = this.#rest + piece;
		this.#rest = "";
		let at = 0;
		while (at < all.length) {
			const tag = all.indexOf("<", at);
			this.#text += all.slice(at, tag < 0 ? undefined : tag);
			if (this.#text.length > LONGEST) return false;
			if (tag < 0) return true;
			const end = this.#endOf(all, tag);
			if (end < 0) {
				this.#rest = all.slice(tag);
				return this.#rest.length <= LONGEST;
			}
			this.#tag(all.slice(tag + 1, end));
			at = end + 1;
		}
		return true;
	}

	/** Where the ">" of a tag, comment or section stands, -1 = not yet. */
	#endOf(all: string, tag: number): number {
		const close = all.startsWith("<!--", tag) ? "-->" : all.startsWith("<![CDATA[", tag) ? "]]>" : ">";
		const at = all.indexOf(close, tag + 1);
		return at < 0 ? -1 : at + close.length - 1;
	}

	#tag(inner: string): void {
		if (inner.startsWith("![CDATA[")) {
			this.#text += inner.slice(8, -2);
			return;
		}
		if (inner.startsWith("!") || inner.startsWith("?")) return;
		const isEnd = inner.startsWith("/");
		const name = nameOf(isEnd ? inner.slice(1) : inner);
		if (isEnd) {
			this.#onElement(name, this.#open === name ? decode(this.#text.trim()) : "");
			this.#open = "";
		} else if (inner.endsWith("/")) {
			this.#onElement(name, "");
			this.#open = "";
		} else this.#open = name;
		this.#text = "";
	}
}

/** Without prefix and attributes. */
function nameOf(inner: string): string {
	const word = inner.trim().split(/[\s/]/, 1)[0] as string;
	return word.slice(word.indexOf(":") + 1);
}

function decode(text: string): string {
	if (!text.includes("&")) return text;
	// "&amp;" last: "&amp;lt;" is the text "&lt;".
	return text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&quot;", '"').replaceAll("&apos;", "'").replaceAll("&amp;", "&");
}
