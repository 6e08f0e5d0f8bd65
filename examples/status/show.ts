/** Lines of text: on the screen where there is one, as trace always. */

import Resource from "Resource";
import Poco from "commodetto/Poco";
import parseBMF from "commodetto/parseBMF";

const margin = 4;

export function show(lines: string[]): void {
	trace(`${lines.join("\n")}\n\n`);
	if (typeof screen === "undefined") return;
	const poco = new Poco(screen, { displayListLength: 8192 });
	const font = parseBMF(new Resource("OpenSans-Semibold-18.bf4"));
	const [black, white] = [poco.makeColor(0, 0, 0), poco.makeColor(255, 255, 255)];
	poco.begin();
	poco.fillRectangle(black, 0, 0, poco.width, poco.height);
	for (let i = 0, y = margin; i < lines.length && y + font.height <= poco.height; i += 1, y += font.height)
		poco.drawText(lines[i] as string, font, white, margin, y, poco.width - 2 * margin);
	poco.end();
	poco.close();
}
