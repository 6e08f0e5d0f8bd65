/** A text as a QR code for the terminal: two rows of modules a line, light on dark or dark on light alike. */
import QRCode from "qrcode";

const margin = 2;

export function qrText(text: string): string {
	const { modules } = QRCode.create(text, { errorCorrectionLevel: "L" });
	const isDark = (row: number, column: number): boolean =>
		row >= 0 && column >= 0 && row < modules.size && column < modules.size && modules.get(row, column) !== 0;
	const lines: string[] = [];
	for (let row = -margin; row < modules.size + margin; row += 2) {
		let line = "";
		for (let column = -margin; column < modules.size + margin; column += 1) {
			// Dark modules are left empty and light ones drawn: scanners want dark on light, terminals are mostly dark.
			const upper = !isDark(row, column);
			const lower = !isDark(row + 1, column);
			line += upper ? (lower ? "█" : "▀") : lower ? "▄" : " ";
		}
		lines.push(line);
	}
	return `${lines.join("\n")}\n`;
}
