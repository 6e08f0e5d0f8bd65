/** `npm run build`: the modules to dist/ and the native core to build/. */
import { prepare } from "./prepare.js";

process.exit((await prepare()) ? 0 : 1);
